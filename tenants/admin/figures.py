"""What the row of figures at the top of a page is made of."""

from typing import NamedTuple


class Figure(NamedTuple):
    """A figure as it is shown, and the page of what it is made of."""

    name: str
    value: str
    link: str = ""
