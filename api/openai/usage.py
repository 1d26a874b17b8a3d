"""GET /v1/usage: what was used and what it cost, by time, agent and model."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from agents.services import usage as services
from agents.services.usage import Bucket, Group, UsageRow
from api.openai.access import caller_of, required
from api.openai.amounts import usd
from api.openai.queries import UsageAsked, refuse_unknown

router = Router(auth=required, tags=["Usage"])


class Figures(Schema):
    """What some runs come to. Reasoning is part of the output, what was cached part of the input."""

    runs: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    charged_nanos: str = Field(description="Whole nanodollars.")
    charged_usd: str


class Part(Figures):
    """The figures of one part of the time, of one agent, of one model; null what it is not split by."""

    object: Literal["usage.part"] = "usage.part"
    start: datetime | None
    agent: str | None
    model: str | None


class Usage(Schema):
    """The usage between two times, in parts and altogether."""

    object: Literal["usage"] = "usage"
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    bucket: Bucket
    group_by: list[Group]
    data: list[Part]
    total: Figures


@router.get("/usage", response=Usage, by_alias=True, summary="Usage")
async def usage(request: HttpRequest, asked: Query[UsageAsked]) -> Usage:
    """Runs, tokens and money, added up. A run counts when it began; the money is what the ledger settled."""
    refuse_unknown(request, UsageAsked)
    query = asked.query(datetime.now(UTC))
    rows = await services.usage(caller_of(request), query)
    return Usage(
        from_=query.since,
        to=query.until,
        bucket=query.bucket,
        group_by=list(query.groups),
        data=[Part(start=row.start, agent=row.agent, model=row.model, **_figures(row)) for row in rows],
        total=Figures(**_figures(services.total_of(rows))),
    )


def _figures(row: UsageRow) -> dict[str, Any]:
    counts = {field.name: getattr(row, field.name) for field in fields(row) if field.name in Figures.model_fields}
    return {**counts, "charged_nanos": str(row.charged_nanos), "charged_usd": usd(row.charged_nanos)}
