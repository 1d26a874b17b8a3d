"""Prices as people compare them: dollars per million of what there are many of, dollars each of what there are few."""

from billing.amounts import PICOS_PER_DOLLAR_A_MILLION, plain
from billing.models import PriceItem
from billing.units import SMALL

PICOS_PER_DOLLAR = 10**12


def price_of(unit: str, pico: int) -> str:
    """The price in words; a fee is a share."""
    if unit == PriceItem.Unit.BASIS_POINTS:
        return f"{pico / 100:.2f} %"
    return f"${plain(pico, scale=scale_of(unit))} {'per 1 M' if unit in SMALL else 'each'}"


def scale_of(unit: str) -> int:
    """How many picodollars make the dollar that is entered for one of these."""
    return PICOS_PER_DOLLAR_A_MILLION if unit in SMALL else PICOS_PER_DOLLAR


def place_of(unit: str, *, service_tier: str, context_from: int) -> str:
    """What the price is of."""
    said = str(PriceItem.Unit(unit).label)
    if service_tier:
        said += f", {service_tier}"
    return f"{said}, above {context_from:,} tokens" if context_from else said
