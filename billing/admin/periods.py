"""The span of time that a page of figures is about, chosen by its address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode

CHOICES: Final = {
    "today": "Today",
    "yesterday": "Yesterday",
    "week": "Last 7 days",
    "month": "This month",
    "last_month": "Last month",
    "quarter": "Last 90 days",
}
DEFAULT: Final = "month"
LONGEST_DAYS: Final = 1100


@dataclass(frozen=True, kw_only=True)
class Period:
    """Whole days in UTC, from `first` to `last`, both included; `name` is that of a choice, or nothing."""

    first: date
    last: date
    name: str = ""

    @property
    def since(self) -> datetime:
        """Its first moment."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def until(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.last + timedelta(days=1), time(), UTC)

    @property
    def before(self) -> "Period":
        """As many days just before it; before a whole month, the whole month before."""
        if self.first.day == 1 and (self.last + timedelta(days=1)).day == 1 and self.first.month == self.last.month:
            return _month_of(self.first - timedelta(days=1))
        length = self.last - self.first
        return Period(first=self.first - length - timedelta(days=1), last=self.first - timedelta(days=1))

    @property
    def query(self) -> str:
        """What an address says to mean it."""
        return urlencode({"first": self.first.isoformat(), "last": self.last.isoformat()})

    @property
    def label(self) -> str:
        """As people say it."""
        days = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        return f"{CHOICES[self.name]}, {days}" if self.name else days


def period_of(asked: Mapping[str, str], *, today: date | None = None) -> Period:
    """What an address asks for; what cannot be understood is the present month."""
    today = today or datetime.now(UTC).date()
    first, last = _day(asked.get("first", "")), _day(asked.get("last", ""))
    if first and last and first <= last and (last - first).days < LONGEST_DAYS:
        return Period(first=first, last=last)
    return _chosen(asked.get("period", DEFAULT), today)


def _chosen(name: str, today: date) -> Period:
    yesterday = today - timedelta(days=1)
    this_month = _month_of(today)
    spans = {
        "today": (today, today),
        "yesterday": (yesterday, yesterday),
        "week": (today - timedelta(days=6), today),
        "quarter": (today - timedelta(days=89), today),
        "last_month": (_month_of(this_month.first - timedelta(days=1)).first, this_month.first - timedelta(days=1)),
        "month": (this_month.first, this_month.last),
    }
    name = name if name in spans else DEFAULT
    first, last = spans[name]
    return Period(first=first, last=last, name=name)


def _month_of(day: date) -> Period:
    first = day.replace(day=1)
    return Period(first=first, last=(first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2200 else None
