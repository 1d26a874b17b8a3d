"""The reference pages say what the code says."""

import pytest

from docs import generate


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_reference_page_is_up_to_date(name: str) -> None:
    assert (generate.REFERENCE / name).read_text() == generate.PAGES[name](), "run `make docs`"
