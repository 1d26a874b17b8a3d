"""Money as it is written for clients: exact decimals, never floating point."""

_NANOS_PER_USD = 1_000_000_000
_PICO_PER_USD = 1_000_000_000_000
_MILLION = 1_000_000


def usd(nanos: int) -> str:
    """An amount in dollars, to the last of its nine digits."""
    return f"{nanos // _NANOS_PER_USD}.{nanos % _NANOS_PER_USD:09d}"


def dollars(nanos: int) -> str:
    """A price in dollars, without zeros that say nothing."""
    return _decimal(nanos, _NANOS_PER_USD)


def per_million(pico: int) -> str:
    """A price per token as dollars for a million of them."""
    return _decimal(pico * _MILLION, _PICO_PER_USD)


def per_piece(pico: int) -> str:
    """The price of one of what there are few of, in dollars."""
    return _decimal(pico, _PICO_PER_USD)


def percent(basis_points: int) -> str:
    """A share in percent."""
    return _decimal(basis_points, 100)


def _decimal(amount: int, units: int) -> str:
    whole, rest = divmod(amount, units)
    digits = str(rest).rjust(len(str(units)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
