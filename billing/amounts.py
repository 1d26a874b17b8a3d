"""Amounts as people read and write them, in dollars; exactly, since every amount is a whole number."""

from decimal import Decimal

from billing.rating import MOST_NANOS

__all__ = ["MOST_NANOS", "NANOS_PER_DOLLAR", "PICOS_PER_DOLLAR_A_MILLION", "dollars", "plain"]

NANOS_PER_DOLLAR = 10**9
PICOS_PER_DOLLAR_A_MILLION = 10**6
"""One dollar per million tokens is this many picodollars per token."""


def plain(amount: int, *, scale: int = NANOS_PER_DOLLAR) -> str:
    """A whole amount as a decimal number of dollars, without trailing zeros, grouping or an exponent."""
    shown = f"{Decimal(amount) / scale:f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def dollars(amount: int) -> str:
    """Nanodollars as people read them: at least two decimals, and as many more as it takes."""
    whole, _, part = f"{Decimal(amount) / NANOS_PER_DOLLAR:,f}".partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"
