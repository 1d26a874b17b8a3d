"""GET /v1/key: what the key that asks may do, and what it has spent."""

from datetime import UTC, datetime
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from agents.services.on_behalf import on_behalf_of
from agents.services.usage import spend_of_key
from api.openai import shapes
from api.openai.access import caller_of, required
from api.openai.amounts import usd
from billing import budgets

router = Router(auth=required, tags=["Usage"])


class KeySpend(Schema):
    """What the key has cost its organization, in whole nanodollars and in exact dollars; days and months are UTC's."""

    today_nanos: str
    today_usd: str
    month_nanos: str
    month_usd: str
    total_nanos: str
    total_usd: str


class KeyBudget(Schema):
    """What the key may spend in a period, and what is left of it."""

    id: UUID
    period: str = Field(description="day, week, month or total.")
    mode: str = Field(description="hard refuses what does not fit, soft only warns.")
    limit_nanos: str
    limit_usd: str
    remaining_nanos: str
    remaining_usd: str
    resets_at: datetime | None


class Key(Schema):
    """A key, as it may see itself."""

    object: str = "key"
    organization: str
    permissions: list[str]
    test_mode: bool
    allowed_agents: list[str] | None = Field(description="The ids of the only agents it reaches; null for all.")
    limits: dict[str, int | None] = Field(description="What it may ask for; null where nothing of its own is set.")
    spend: KeySpend
    budget: KeyBudget | None = Field(description="Of the budgets it has to itself, the one with the least left.")


@router.get("/key", response=Key, summary="The key itself")
async def key(request: HttpRequest) -> Key:
    """What the key may do, within which limits, and what it has spent."""
    caller = caller_of(request)
    spend = await spend_of_key(caller, now=datetime.now(UTC))
    budget = None if caller.key_id is None else await on_behalf_of(caller, budgets.tightest_of_key, caller.key_id)
    return Key(
        **shapes.key(caller),
        spend=KeySpend(
            today_nanos=str(spend.today_nanos),
            today_usd=usd(spend.today_nanos),
            month_nanos=str(spend.month_nanos),
            month_usd=usd(spend.month_nanos),
            total_nanos=str(spend.total_nanos),
            total_usd=usd(spend.total_nanos),
        ),
        budget=None if budget is None else _budget(budget),
    )


def _budget(state: budgets.State) -> KeyBudget:
    return KeyBudget(
        id=state.budget.id,
        period=state.budget.period,
        mode=state.budget.mode,
        limit_nanos=str(state.budget.limit),
        limit_usd=usd(state.budget.limit),
        remaining_nanos=str(state.remaining_nanos),
        remaining_usd=usd(state.remaining_nanos),
        resets_at=state.resets_at,
    )
