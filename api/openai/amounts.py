"""Money as it is written for clients: exact decimals, never floating point."""

from billing.amounts import NANOS_PER_DOLLAR, PICOS_PER_DOLLAR_A_MILLION, plain

_PICOS_PER_DOLLAR = 10**12


def usd(nanos: int) -> str:
    """An amount in dollars, to the last of its nine digits."""
    return f"{nanos // NANOS_PER_DOLLAR}.{nanos % NANOS_PER_DOLLAR:09d}"


def dollars(nanos: int) -> str:
    """A price in dollars, without zeros that say nothing."""
    return plain(nanos)


def per_million(pico: int) -> str:
    """A price per token as dollars for a million of them."""
    return plain(pico, scale=PICOS_PER_DOLLAR_A_MILLION)


def per_piece(pico: int) -> str:
    """The price of one of what there are few of, in dollars."""
    return plain(pico, scale=_PICOS_PER_DOLLAR)


def percent(basis_points: int) -> str:
    """A share in percent."""
    return plain(basis_points, scale=100)
