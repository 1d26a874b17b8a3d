"""Figures of a span of time, from the rollups: what was used and charged, what it cost, and what else moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import TruncDay, TruncHour, TruncMonth

from billing.models import JournalHour, UsageHour
from tenants.context import platform_context

Bucket = Literal["hour", "day", "month"]
Group = Literal["organization", "agent", "model", "key"]

_BUCKETS: Final = {"hour": TruncHour("hour"), "day": TruncDay("hour"), "month": TruncMonth("hour")}
_GROUPS: Final = {"organization": "organization__name", "agent": "reference", "model": "model", "key": "key_id"}


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What settlements of a span came to. Nanodollars.

    `own_cost` is what the platform owes providers for it, `loss` the part of that which nobody paid.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    charged: int = 0
    cost: int = 0
    own_cost: int = 0
    markup: int = 0
    fee: int = 0
    creator_share: int = 0
    platform_share: int = 0
    loss: int = 0
    estimated: int = 0

    @property
    def margin(self) -> int:
        """What the platform kept of it after paying providers, losses included."""
        return self.platform_share - self.own_cost


@dataclass(frozen=True, kw_only=True)
class Part:
    """The usage of one part of a span; what it is not split by is None."""

    start: datetime | None = None
    group: str | None = None
    group_id: UUID | str | None = None
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, kw_only=True)
class Profit:
    """What a span brought the platform: the margin of its usage, less what payment companies kept. Nanodollars."""

    usage: Usage
    payment_fees: int

    @property
    def amount(self) -> int:
        """What is left."""
        return self.usage.margin - self.payment_fees


NAMES: Final = tuple(each.name for each in fields(Usage))


@dataclass(frozen=True, kw_only=True)
class Span:
    """From `since` to before `until`, of everything or of a part of it."""

    since: datetime
    until: datetime
    organization_id: UUID | None = None
    reference: str | None = None
    model: str | None = None
    key_id: UUID | None = None

    @property
    def filters(self) -> dict[str, Any]:
        """What it is a part of, by the names of columns."""
        names = ("organization_id", "reference", "model", "key_id")
        return {name: wanted for name in names if (wanted := getattr(self, name)) is not None}


def usage(span: Span) -> Usage:
    """All of it together; staff only, unless the context is an organization's."""
    return _usage(_hours(span).aggregate(**_sums()))


def parts(span: Span, *, bucket: Bucket | None = None, group: Group | None = None) -> Sequence[Part]:
    """It split by time, by what it was for, or by both; in order of time, then the largest charge first."""
    if bucket is None and group is None:
        return (Part(usage=usage(span)),)
    names: dict[str, Any] = {}
    if bucket:
        names["start"] = _BUCKETS[bucket]
    if group:
        names["group"] = F(_GROUPS[group])
        names["group_id"] = F("organization_id" if group == "organization" else _GROUPS[group])
    rows: Any = _hours(span).order_by().values(**names).annotate(**_sums())
    order = (*(("start",) if bucket else ()), "-sum_charged", *(("group",) if group else ()))
    return tuple(
        Part(
            start=row.get("start"),
            group=None if group is None else str(row["group"] or ""),
            group_id=row.get("group_id"),
            usage=_usage(row),
        )
        for row in rows.order_by(*order)
    )


def payers(span: Span) -> int:
    """How many organizations were charged something; staff only."""
    counted = _hours(span).filter(charged__gt=0).aggregate(count=Count("organization", distinct=True))
    return int(counted["count"])


def balances() -> Mapping[str, tuple[int, int]]:
    """What each kind of account was debited and credited with, as far as the rollups reach; staff only."""
    with platform_context(reason="balances by kind"):
        rows = JournalHour.objects.order_by().values_list("debit__kind", "credit__kind").annotate(Sum("amount"))
        sums: dict[str, list[int]] = {}
        for debit, credit, amount in rows:
            sums.setdefault(debit, [0, 0])[0] += int(amount)
            sums.setdefault(credit, [0, 0])[1] += int(amount)
    return {kind: (debits, credits) for kind, (debits, credits) in sums.items()}


def moved(since: datetime, until: datetime) -> Mapping[tuple[str, str, str], int]:
    """What moved in a span, by its reason and the kinds of the accounts it left and reached; staff only."""
    with platform_context(reason="sum up the journal"):
        rows = (
            JournalHour.objects.filter(hour__gte=since, hour__lt=until)
            .order_by()
            .values_list("kind", "debit__kind", "credit__kind")
            .annotate(Sum("amount"))
        )
        return {(kind, debit, credit): int(amount) for kind, debit, credit, amount in rows}


def payment_fees(moved: Mapping[tuple[str, str, str], int]) -> int:
    """What payment companies kept of top-ups and payouts, less what was taken back; out of what `moved`."""
    kept = sum(amount for (_, debit, _), amount in moved.items() if debit == "payment_fees")
    return kept - sum(amount for (_, _, credit), amount in moved.items() if credit == "payment_fees")


def profit(since: datetime, until: datetime) -> Profit:
    """Of the whole platform; staff only."""
    with platform_context(reason="what the platform has earned"):
        used = usage(Span(since=since, until=until))
    return Profit(usage=used, payment_fees=payment_fees(moved(since, until)))


def _hours(span: Span) -> QuerySet[UsageHour]:
    hours = UsageHour.objects.filter(hour__gte=span.since, hour__lt=span.until)
    return hours.filter(**span.filters)


def _sums() -> dict[str, Any]:
    return {f"sum_{name}": Sum(name, default=0) for name in NAMES}


def _usage(row: Mapping[str, Any]) -> Usage:
    return Usage(**{name: int(row[f"sum_{name}"]) for name in NAMES})
