"""Months begin and end at midnight of where an organization is, whatever its clocks do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import pytest

from billing.months import Month, month_named, month_of

INSTANT = timedelta(microseconds=1)
ZONES = sorted(available_timezones() - {"localtime", "Factory"})


@pytest.mark.parametrize(
    ("zone", "month", "begins", "ends"),
    [
        ("UTC", "2026-11", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("Etc/GMT+12", "2026-11", "2026-11-01T12:00", "2026-12-01T12:00"),  # UTC−12
        ("Pacific/Kiritimati", "2026-11", "2026-10-31T10:00", "2026-11-30T10:00"),  # UTC+14
        ("Asia/Kathmandu", "2028-02", "2028-01-31T18:15", "2028-02-29T18:15"),  # a leap day
        ("UTC", "2100-02", "2100-02-01T00:00", "2100-03-01T00:00"),  # none
        ("America/New_York", "2026-03", "2026-03-01T05:00", "2026-04-01T04:00"),  # an hour shorter
        ("America/New_York", "2026-11", "2026-11-01T04:00", "2026-12-01T05:00"),  # an hour longer
        ("America/Asuncion", "2017-10", "2017-10-01T04:00", "2017-11-01T03:00"),  # its first midnight does not exist
        ("America/Havana", "2015-11", "2015-11-01T04:00", "2015-12-01T05:00"),  # its first midnight comes twice
        ("Pacific/Apia", "2011-12", "2011-12-01T10:00", "2011-12-31T10:00"),  # a day is missing from it
        ("UTC", "9999-11", "9999-11-01T00:00", "9999-12-01T00:00"),
    ],
)
def test_f53_a_month_ends_when_the_next_begins(zone: str, month: str, begins: str, ends: str) -> None:
    found = month_named(month)
    assert found is not None

    assert found.starts_at(zone) == datetime.fromisoformat(f"{begins}Z")
    assert found.ends_at(zone) == datetime.fromisoformat(f"{ends}Z")


def test_pt10_every_moment_lies_in_one_month_in_every_time_zone() -> None:
    for zone in ZONES:
        month = Month(year=2026, month=1)
        for _ in range(26):
            begins = month.starts_at(zone)
            assert month_of(begins, zone) == month, zone
            assert month_of(month.ends_at(zone) - INSTANT, zone) == month, zone
            assert month_of(month.ends_at(zone), zone) == month.next, zone
            assert abs(begins - datetime(month.year, month.month, 1, tzinfo=UTC)) <= timedelta(hours=14), zone
            month = month.next


@pytest.mark.parametrize(
    "text", ["", "2026-13", "2026-00", "26-11", "2026-1", "2026_11", "2026-\u0661\u0661", "0000-01", " 2026-1"]
)
def test_what_is_no_month_names_none(text: str) -> None:
    assert month_named(text) is None
