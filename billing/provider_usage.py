"""What providers say they did on a day, beside what the books say they are owed for it."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from billing import figures
from billing.amounts import NANOS_PER_DOLLAR
from billing.errors import BillingError
from tenants.context import platform_context

COLUMNS: Final = ("day", "model", "cost_usd")
TOLERANCE_BP: Final = 50
MOST_DOLLARS: Final = Decimal(9_000_000_000)


class UnreadableExport(BillingError):
    """A provider's export is not what it should be; the message names the line."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a provider says that a model cost on a day. Nanodollars."""

    day: date
    model: str
    cost: int


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A model's cost on a day, as we have booked it and as its provider says."""

    model: str
    ours: int
    theirs: int

    @property
    def is_beyond_tolerance(self) -> bool:
        """Whether the two differ by more than half a percent of the larger."""
        return abs(self.ours - self.theirs) * 10_000 > max(self.ours, self.theirs) * TOLERANCE_BP


def read_export(lines: Iterable[str]) -> Sequence[Said]:
    """Read a CSV with the columns day, model and cost_usd, in any order and among others. Raises UnreadableExport."""
    rows = csv.DictReader(lines)
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise UnreadableExport(f"The export lacks {', '.join(missing)}; its columns are {', '.join(COLUMNS)}.")
    return tuple(_said(row, line=rows.line_num) for row in rows)


def compare(day: date, export: Iterable[Said]) -> Sequence[Compared]:
    """Every model that either side names for a day."""
    theirs: dict[str, int] = {}
    for said in export:
        if said.day == day:
            theirs[said.model] = theirs.get(said.model, 0) + said.cost
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    with platform_context(reason="what models cost on a day"):
        parts = figures.parts(figures.Span(since=since, until=since + timedelta(days=1)), group="model")
    ours = {part.group or "": part.usage.own_cost for part in parts if part.usage.own_cost}
    return tuple(
        Compared(model=model, ours=ours.get(model, 0), theirs=theirs.get(model, 0))
        for model in sorted(ours.keys() | theirs.keys())
    )


def _said(row: dict[str, str], *, line: int) -> Said:
    try:
        cost = Decimal(row["cost_usd"])
        if not (0 <= cost <= MOST_DOLLARS):
            raise UnreadableExport(f"Line {line}: {row['cost_usd']!r} is not an amount that a model can cost.")
        return Said(day=date.fromisoformat(row["day"]), model=row["model"].strip(), cost=int(cost * NANOS_PER_DOLLAR))
    except (InvalidOperation, TypeError, ValueError, AttributeError):
        raise UnreadableExport(
            f"Line {line}: a day as 2026-11-25, a model and dollars as 1.25 are needed, not {list(row.values())}."
        ) from None
