"""Reading what ran: one run with all that it was charged, and the runs of a caller page by page."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

from agents.errors import RunNotFound
from agents.models import Run
from agents.models.run import RunStatus
from agents.services.on_behalf import on_behalf_of
from agents.services.visibility import Whose, key_to_read
from billing import selectors as billing
from billing.selectors import ChargeLines
from tenants.caller import Caller
from tenants.context import organization_context
from tenants.ids import age_s

RunState: TypeAlias = Literal["running", "finished", "failed", "disconnected", "cancelled"]

MOST_AT_ONCE = 100
WRITTEN_WITHIN_S = 2.0
"""A run's row is written behind it; so long is waited for the row of one whose charge has just begun or ended."""
LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """One run as its caller may know it. `row` is None where a process was killed before it wrote any."""

    id: UUID
    agent: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    charged_nanos: int
    row: Run | None


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """A run with all that it was charged. Whose token paid, its organization alone sees the charges."""

    facts: RunFacts
    charges: Sequence[ChargeLines]


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs are asked for; None leaves a question open. `agent` is the name as its caller wrote it."""

    whose: Whose | None = None
    agent: str | None = None
    status: RunState | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some runs, the latest first, and whether there are older ones."""

    runs: Sequence[RunFacts]
    has_more: bool


async def run_report(caller: Caller, run_id: UUID) -> RunReport:
    """A run of the caller's, also right after its end. Raises RunNotFound for those of others, as for absent ones."""
    key_id = key_to_read(caller, None)
    clock = asyncio.get_running_loop().time
    deadline = clock() + 2 * WRITTEN_WITHIN_S
    while True:
        row, charges = await on_behalf_of(caller, _found, caller.organization_id, run_id)
        if _is_written(row, charges) or not _is_fresh(run_id, charges) or clock() >= deadline:
            break
        await asyncio.sleep(LOOK_AGAIN_S)
    is_hidden = key_id is not None and (row is None or row.key_id != key_id)
    if is_hidden or (row is None and not charges):
        raise RunNotFound
    charged = sum(lines.settlement.charged for lines in charges if lines.settlement)
    facts = _facts(row, charged) if row is not None else _remains(charges[0].charge, charged)
    own = [lines for lines in charges if lines.charge.organization_id == caller.organization_id]
    return RunReport(facts=replace(facts, status=_status(facts.status, charges)), charges=own)


async def runs_page(caller: Caller, wanted: RunFilter, *, after: UUID | None, limit: int) -> Page:
    """The runs of the caller's that were asked for, from the one after `after` on."""
    key_id = key_to_read(caller, wanted.whose)
    return await on_behalf_of(caller, _page, caller.organization_id, key_id, wanted, after, min(limit, MOST_AT_ONCE))


def _found(organization_id: UUID, run_id: UUID) -> tuple[Run | None, Sequence[ChargeLines]]:
    # Charges first: what they say is then in the row, or on its way there.
    charges = billing.charges_of_run(organization_id, run_id)
    row = Run.objects.filter(id=run_id).first()
    if row is None or row.payer_id in (None, organization_id):
        return row, charges
    with organization_context(row.payer_id):
        charges = billing.charges_of_run(row.payer_id, run_id)
    return Run.objects.filter(id=run_id).first(), charges


def _page(organization_id: UUID, key_id: UUID | None, wanted: RunFilter, after: UUID | None, limit: int) -> Page:
    conditions = {
        "key_id": key_id,
        "address": wanted.agent,
        "status": wanted.status,
        "started_at__gte": wanted.since,
        "started_at__lt": wanted.until,
        "id__lt": after,
    }
    # Ids begin with the time, so their order is that of the runs.
    rows = Run.objects.filter(**{name: value for name, value in conditions.items() if value is not None})
    found = list(rows.order_by("-id")[: limit + 1])
    shown = found[:limit]
    charged = billing.charged_for_runs(organization_id, [row.id for row in shown])
    return Page(
        runs=[_facts(row, charged.get(row.id, _paid_by_others(row))) for row in shown], has_more=len(found) > limit
    )


def _paid_by_others(row: Run) -> int:
    """What a run cost whose charge is in the books of another."""
    return row.charged_nanos if row.payer_id not in (None, row.organization_id) else 0


def _is_written(row: Run | None, charges: Sequence[ChargeLines]) -> bool:
    """Whether the row says as much as the books do."""
    if row is None:
        return False
    return row.status != RunStatus.RUNNING or bool(charges and charges[0].charge.status == "authorized")


def _is_fresh(run_id: UUID, charges: Sequence[ChargeLines]) -> bool:
    """Whether what is missing of the row may be on its way. Without a charge of ours the id says when it began."""
    if not charges:
        age = age_s(run_id)
        return age is not None and abs(age) < WRITTEN_WITHIN_S
    latest = charges[0].charge.finished_at or charges[0].charge.started_at
    return datetime.now(UTC) - latest < timedelta(seconds=WRITTEN_WITHIN_S)


def _facts(row: Run, charged_nanos: int) -> RunFacts:
    return RunFacts(
        id=row.id,
        agent=row.address,
        status=row.status,
        started_at=row.started_at,
        ended_at=row.ended_at,
        charged_nanos=charged_nanos,
        row=row,
    )


def _remains(charge: Any, charged_nanos: int) -> RunFacts:
    """What is known of a run that nobody wrote down but the books."""
    return RunFacts(
        id=charge.run_id,
        agent=charge.reference,
        status=RunStatus.RUNNING,
        started_at=charge.started_at,
        ended_at=charge.finished_at,
        charged_nanos=charged_nanos,
        row=None,
    )


def _status(status: str, charges: Sequence[ChargeLines]) -> str:
    """How far a run is. Where the books say that it is over, the row of a killed process does not say otherwise."""
    charged = charges[0].charge.status if charges else "authorized"
    if status != RunStatus.RUNNING or charged == "authorized":
        return status
    return RunStatus.FAILED if charged == "orphaned" else charged
