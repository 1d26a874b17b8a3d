"""The units that providers bill by: what each is a part of, how a call tells how much of it was used, and bounds."""

from collections.abc import Mapping
from types import MappingProxyType

WHOLE_OF: Mapping[str, str] = MappingProxyType(
    {
        "cached_input": "input",
        "cache_write": "input",
        "cache_write_1h": "input",
        "input_audio": "input",
        "input_image": "input",
        "reasoning": "output",
        "output_audio": "output",
        "output_image": "output",
    }
)
"""Kinds of tokens, and the kind that counts them in: a price of the whole is one of the part."""

COUNTED: Mapping[str, str] = MappingProxyType(
    {
        "citation": "citation_tokens",
        "search": "search_requests",
        "image_in": "input_images",
        "image_out": "output_images",
        "pixel_in": "input_pixels",
        "pixel_out": "output_pixels",
        "second_in": "input_seconds",
        "second_out": "output_seconds",
        "character_in": "input_characters",
        "character_out": "output_characters",
        "page": "pages",
    }
)
"""Units that are no part of tokens, and what a usage calls their number."""

REQUEST = "request"
"""Every call is one."""
UNITS = ("input", "output", *WHOLE_OF, *COUNTED, REQUEST)
SERVICE_TIERS = ("", "batch", "flex", "priority")
"""Speeds that have prices of their own; the first is the usual one."""

SMALL = frozenset(("input", "output", *WHOLE_OF, "citation", "pixel_in", "pixel_out", "character_in", "character_out"))
"""What a call uses many of, each for next to nothing."""
MOST_TOKENS = 10_000_000
"""More than any model reads or writes in one call: counts beyond it are a provider's error."""
MOST_PIECES = 100_000
"""The same for what there are few of: images, seconds, pages, searches."""
MOST_TOKEN_PICO = 10**10
"""The dearest token: a cent."""
MOST_PIECE_PICO = 10**13
"""The dearest image, second, page or request: ten dollars."""


def most_of(unit: str) -> int:
    """The largest number of this unit that can be true of a call."""
    return MOST_TOKENS if unit in SMALL else MOST_PIECES


def dearest(unit: str) -> int:
    """The most that one of this unit can cost, in picodollars."""
    return MOST_TOKEN_PICO if unit in SMALL else MOST_PIECE_PICO
