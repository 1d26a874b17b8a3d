"""GET /v1/runs and /v1/runs/{id}: what ran, what it used, and what was charged for it."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from agents.errors import RunNotFound
from agents.services.history import RunFacts, RunState, run_report, runs_page
from api.openai.access import caller_of, required
from api.openai.amounts import usd
from api.openai.charges import RunCharge, charge_of
from api.openai.queries import RunsAsked, refuse_unknown

router = Router(auth=required, tags=["Runs"])


class RunUsage(Schema):
    """The tokens of all model calls of a run. `source` says who counted: provider, counted or estimated."""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    source: str


class Run(Schema):
    """One execution of an agent, or of an embedding model. What is not known, or not yet, is null."""

    id: UUID
    object: Literal["run"] = "run"
    created_at: int = Field(description="When it began, in seconds since 1970.")
    agent: str = Field(description="The agent's name, as it was called; of an embedding, its model's.")
    model: str | None = None
    status: RunState
    finish_reason: str | None = None
    stopped_by: str | None = Field(None, description="What cut the run short, if anything did.")
    error: str | None = Field(None, description="The name of what went wrong, if anything did.")
    turns: int | None = None
    usage: RunUsage | None = None
    charged_nanos: str = Field(description="What was paid for it so far, in whole nanodollars.")
    charged_usd: str
    test_mode: bool | None = None
    request_id: str | None = None
    retry_of: UUID | None = Field(
        None, description="The run of an earlier try of the same request, which its client's SDK sent again."
    )
    trace_id: str | None = Field(None, description="The trace that it belongs to, in logs and elsewhere.")
    started_at: datetime
    first_chunk_at: datetime | None = None
    ended_at: datetime | None = None


class RunWithCharges(Run):
    """A run with every charge that it caused, and the movements of money behind each."""

    charges: list[RunCharge]


class RunList(Schema):
    """A page of runs, the latest first; the next one comes `after` its `last_id`."""

    object: Literal["list"] = "list"
    data: list[Run]
    has_more: bool
    first_id: UUID | None
    last_id: UUID | None


@router.get("/runs", response=RunList, summary="List runs")
async def runs(request: HttpRequest, asked: Query[RunsAsked]) -> RunList:
    """The latest runs first, page by page. A run shows up a moment after it began."""
    refuse_unknown(request, RunsAsked)
    page = await runs_page(caller_of(request), asked.filter(), after=asked.after, limit=asked.limit)
    data = [Run(**_shown(facts)) for facts in page.runs]
    return RunList(
        data=data,
        has_more=page.has_more,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
    )


@router.get("/runs/{run_id}", response=RunWithCharges, summary="One run, with its charges")
async def run(request: HttpRequest, run_id: str) -> RunWithCharges:
    """A run by the id that its answer carried in `x-robutler-run-id`; it can be asked for at once."""
    caller = caller_of(request)
    try:
        id = UUID(run_id)
    except ValueError:
        raise RunNotFound from None
    report = await run_report(caller, id)
    return RunWithCharges(**_shown(report.facts), charges=[charge_of(lines) for lines in report.charges])


def _shown(facts: RunFacts) -> dict[str, Any]:
    shown = {
        "id": facts.id,
        "created_at": int(facts.started_at.timestamp()),
        "agent": facts.agent,
        "status": facts.status,
        "charged_nanos": str(facts.charged_nanos),
        "charged_usd": usd(facts.charged_nanos),
        "started_at": facts.started_at,
        "ended_at": facts.ended_at,
    }
    row = facts.row
    if row is None:
        return shown
    return shown | {
        "model": row.model,
        "finish_reason": row.finish_reason or None,
        "stopped_by": row.stopped_by or None,
        "error": row.error or None,
        "turns": row.turns,
        "usage": RunUsage(
            input_tokens=row.input_tokens,
            cached_input_tokens=row.cached_input_tokens,
            output_tokens=row.output_tokens,
            reasoning_tokens=row.reasoning_tokens,
            source=row.usage_source,
        )
        if facts.ended_at
        else None,
        "test_mode": row.test_mode,
        "request_id": row.request_id,
        "retry_of": row.retry_of,
        "trace_id": row.trace_id or None,
        "first_chunk_at": row.first_chunk_at,
    }
