"""What a model is given to read has a size before anybody counts its tokens."""

from typing import Any

import pytest

from agents.runtime.reading import IMAGE_BYTES_MAX, IMAGE_BYTES_MIN, beyond_bytes, bytes_of


def shown(url: str, *, times: int = 1) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}] * times}]


def test_words_are_as_long_as_they_are() -> None:
    assert bytes_of([{"role": "user", "content": "Go"}]) == len('[{"role":"user","content":"Go"}]')


@pytest.mark.parametrize("url", ["https://example.com/a.png", "data:image/png;base64,AAAA"])
def test_an_image_is_much_to_read_however_short_it_is(url: str) -> None:
    assert bytes_of(shown(url, times=10)) >= 10 * IMAGE_BYTES_MIN


def test_an_image_that_has_the_bytes_is_taken_for_no_more() -> None:
    assert beyond_bytes(shown("data:image/png;base64," + "A" * IMAGE_BYTES_MIN)) == 0


def test_a_large_image_is_no_book() -> None:
    large = shown("data:image/png;base64," + "A" * 1_000_000, times=2)

    assert 2 * IMAGE_BYTES_MAX < bytes_of(large) < 2 * IMAGE_BYTES_MAX + 100


def test_what_is_sent_beside_the_messages_counts() -> None:
    assert bytes_of([], [], None) == 4
    assert bytes_of([], [{"type": "function"}], {"type": "json_object"}) > 40
