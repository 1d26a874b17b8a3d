"""What was used and what it cost, added up: by time, agent and model.

This is the one place where the rows of runs and the books meet. Money is what was settled, never what a row remembers:
the sums here are those of the ledger. A charge counts at the time when its work began.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from uuid import UUID

from django.db import connections

from agents.errors import InvalidRange
from agents.services.on_behalf import on_behalf_of
from agents.services.visibility import Whose, key_to_read
from tenants.caller import Caller
from tenants.context import alias

Bucket: TypeAlias = Literal["hour", "day", "month", "all"]
Group: TypeAlias = Literal["agent", "model"]

DEFAULT_DAYS = 30
LONGEST: dict[Bucket, timedelta] = {
    "hour": timedelta(days=31),
    "day": timedelta(days=366),
    "month": timedelta(days=3660),
    "all": timedelta(days=3660),
}
MOST_ROWS = 10_000

FIGURES = ("runs", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "charged_nanos")

_GROUPS: dict[Group, str] = {"agent": "c.reference", "model": "coalesce(r.model, '')"}
_FIGURES = """
    count(DISTINCT c.run_id) AS runs,
    coalesce(sum(r.input_tokens) FILTER (WHERE c.id = r.id), 0) AS input_tokens,
    coalesce(sum(r.cached_input_tokens) FILTER (WHERE c.id = r.id), 0) AS cached_input_tokens,
    coalesce(sum(r.output_tokens) FILTER (WHERE c.id = r.id), 0) AS output_tokens,
    coalesce(sum(r.reasoning_tokens) FILTER (WHERE c.id = r.id), 0) AS reasoning_tokens,
    coalesce(sum(s.charged), 0) AS charged_nanos
"""


@dataclass(frozen=True, kw_only=True)
class UsageQuery:
    """A span of time, and how what lies in it is split up."""

    since: datetime
    until: datetime
    bucket: Bucket = "day"
    groups: tuple[Group, ...] = ()
    whose: Whose | None = None


@dataclass(frozen=True, kw_only=True)
class UsageRow:
    """What one part of it comes to. What it is not split by is None."""

    start: datetime | None = None
    agent: str | None = None
    model: str | None = None
    runs: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    charged_nanos: int


async def usage(caller: Caller, query: UsageQuery) -> Sequence[UsageRow]:
    """The sums, in order of time, agent and model. Raises InvalidRange and PermissionMissing."""
    if query.since >= query.until:
        raise InvalidRange("'from' has to be before 'to'.")
    if query.until - query.since > LONGEST[query.bucket]:
        days = LONGEST[query.bucket].days
        raise InvalidRange(f"By {query.bucket}, at most {days} days can be asked for at once.")
    rows = await on_behalf_of(caller, _rows, *_usage(caller.organization_id, key_to_read(caller, query.whose), query))
    if len(rows) > MOST_ROWS:
        raise InvalidRange(f"That comes to more than {MOST_ROWS} rows. Ask for a shorter time, or group by less.")
    return [UsageRow(**row) for row in rows]


def total_of(rows: Sequence[UsageRow]) -> UsageRow:
    """All of them together."""
    return UsageRow(**{name: sum(getattr(row, name) for row in rows) for name in FIGURES})


def _usage(organization_id: UUID, key_id: UUID | None, query: UsageQuery) -> tuple[str, list[Any]]:
    columns: dict[str, str] = {group: column for group, column in _GROUPS.items() if group in query.groups}
    if query.bucket != "all":
        columns = {"start": f"date_trunc('{query.bucket}', c.started_at, 'UTC')", **columns}
    ordinals = ", ".join(str(nth) for nth in range(1, len(columns) + 1))
    of_key, values = ("AND r.key_id = %s", [key_id]) if key_id else ("", [])
    statement = f"""
        SELECT {"".join(f"{column} AS {name}, " for name, column in columns.items())} {_FIGURES}
        FROM billing_charge c
        LEFT JOIN billing_settlement s ON s.hold_id = c.id
        LEFT JOIN agents_run r ON r.organization_id = c.organization_id AND r.id = c.run_id
        WHERE c.organization_id = %s AND c.started_at >= %s AND c.started_at < %s {of_key}
        {f"GROUP BY {ordinals} ORDER BY {ordinals}" if ordinals else ""}
        LIMIT {MOST_ROWS + 1}
    """  # noqa: S608 - put together from this module's own words
    return statement, [organization_id, query.since, query.until, *values]


def _rows(statement: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    with connections[alias()].cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, map(_whole, row), strict=True)) for row in cursor.fetchall()]


def _whole(value: Any) -> Any:
    """Sums come as decimals, and are whole numbers."""
    return int(value) if isinstance(value, Decimal) else value
