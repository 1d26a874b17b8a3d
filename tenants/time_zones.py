"""Time zones by their IANA names."""

from functools import cache
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError

LONGEST = 64


def refuse_unknown_zone(name: str) -> None:
    """Raise ValidationError unless it is the name of a place, such as Europe/Riga, or UTC."""
    if name not in _known():
        raise ValidationError(f"{name[:LONGEST]!r} is not an IANA time zone, such as Europe/Riga.", code="unknown_zone")


@cache
def _known() -> frozenset[str]:
    # What depends on the machine is no place.
    return frozenset(available_timezones() - {"localtime", "Factory"})
