"""Months as organizations count them: from midnight of the first to midnight of the next first, where they are."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, kw_only=True, order=True)
class Month:
    """A month of the calendar; as text it is 2026-11."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def next(self) -> "Month":
        """The month after."""
        return Month(year=self.year + self.month // 12, month=self.month % 12 + 1)

    def starts_at(self, time_zone: str) -> datetime:
        """The first moment of it there. Where the clock leaps over midnight, that is the moment it leaps."""
        return datetime(self.year, self.month, 1, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)

    def ends_at(self, time_zone: str) -> datetime:
        """The first moment that is no longer of it."""
        return self.next.starts_at(time_zone)


def month_of(moment: datetime, time_zone: str) -> Month:
    """The month in which a moment lies there."""
    there = moment.astimezone(ZoneInfo(time_zone))
    return Month(year=there.year, month=there.month)


def month_named(text: str) -> Month | None:
    """The month that is written so; None for anything else."""
    year, _, month = text.partition("-")
    if len(text) != 7 or not (year + month).isdecimal() or not (year + month).isascii() or not 1 <= int(month) <= 12:
        return None
    return Month(year=int(year), month=int(month)) if int(year) else None
