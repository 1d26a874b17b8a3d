"""Puts the clock of a process wrong by WRONG_CLOCK_S seconds. Python imports this first where PYTHONPATH leads here."""

import datetime
import os
import time

WRONG_BY_S = float(os.environ["WRONG_CLOCK_S"])

_time, _time_ns, _now = time.time, time.time_ns, datetime.datetime.now
_wrong_by = datetime.timedelta(seconds=WRONG_BY_S)


class _Any(type):
    """What is made in C is of the original's type: it counts as one of these."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, cls.__mro__[1])

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, cls.__mro__[1])


class _WrongDatetime(datetime.datetime, metaclass=_Any):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
        return _now(tz) + _wrong_by

    @classmethod
    def utcnow(cls) -> datetime.datetime:  # type: ignore[override]
        return _now(datetime.UTC).replace(tzinfo=None) + _wrong_by

    @classmethod
    def today(cls) -> datetime.datetime:  # type: ignore[override]
        return _now() + _wrong_by


class _WrongDate(datetime.date, metaclass=_Any):
    @classmethod
    def today(cls) -> datetime.date:  # type: ignore[override]
        return (_now() + _wrong_by).date()


time.time = lambda: _time() + WRONG_BY_S
time.time_ns = lambda: _time_ns() + int(WRONG_BY_S * 1_000_000_000)
datetime.datetime = _WrongDatetime  # type: ignore[misc]
datetime.date = _WrongDate  # type: ignore[misc]
