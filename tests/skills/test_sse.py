"""Server-sent events, however the network cuts them."""

import pytest

from skills.sdk.sse import Events, LineTooLong

STREAM = (
    b": welcome\n\ndata: one\n\nevent: odd\nid: 7\nretry: 10\ndata:two\n\n\n\n"
    b"data: line 1\ndata:\ndata:  line 3\n\n:\ndata: [DONE]\n\n"
)
SAID = [b"one", b"two", b"line 1\n\n line 3", b"[DONE]"]


def read(*pieces: bytes) -> list[bytes]:
    events = Events()
    return [data for piece in pieces for data in events.feed(piece)] + list(events.end())


@pytest.mark.parametrize("stream", [STREAM, STREAM.replace(b"\n", b"\r\n")], ids=["lf", "crlf"])
def test_events_are_the_same_wherever_the_stream_is_cut(stream: bytes) -> None:
    assert all(read(stream[:at], stream[at:]) == SAID for at in range(len(stream) + 1))
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == SAID


def test_an_event_comes_as_soon_as_its_empty_line() -> None:
    events = Events()

    assert list(events.feed(b"data: one\n")) == []
    assert list(events.feed(b"\ndata: t")) == [b"one"]
    assert list(events.feed(b"wo\n\n")) == [b"two"]


def test_an_event_that_nobody_ended_is_still_read_at_the_end() -> None:
    assert read(b'data: {"half": ') == [b'{"half": ']
    assert read(b"data: one\n") == [b"one"]
    assert read(b"") == []


def test_letters_of_several_bytes_survive_a_cut() -> None:
    stream = "data: Grüße 🙂\n\n".encode()

    assert all(read(stream[:at], stream[at:]) == ["Grüße 🙂".encode()] for at in range(len(stream)))


def test_a_line_of_16_megabytes_is_read_and_a_longer_one_is_not() -> None:
    longest = b"data: " + b"x" * (16_000_000 - 6)

    assert len(read(longest + b"\n\n")[0]) == 16_000_000 - 6
    with pytest.raises(LineTooLong):
        read(longest, b"xx", b"\n\n")


def test_an_event_of_many_lines_is_no_way_around() -> None:
    events = Events(line_bytes_max=100)

    with pytest.raises(LineTooLong):
        list(events.feed(b"data: 0123456789\n" * 20))


def test_many_small_pieces_of_one_line_are_not_read_over_and_over() -> None:
    events = Events()
    pieces = [b"data: ", *[b"x"] * 200_000, b"\n\n"]

    assert [data for piece in pieces for data in events.feed(piece)] == [b"x" * 200_000]
