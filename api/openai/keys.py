"""GET /v1/key: what the key that asks may do, and what it has spent; GET /v1/credits: what its organization has."""

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from agents.services.on_behalf import on_behalf_of
from api.openai import shapes
from api.openai.access import caller_of, required
from api.openai.amounts import usd
from billing import budgets, spending
from tenants.permissions import BILLING_READ

router = Router(auth=required, tags=["Usage"])

_RESETS: dict[str, Literal["daily", "weekly", "monthly"]] = {"day": "daily", "week": "weekly", "month": "monthly"}


class KeySpend(Schema):
    """What the key has cost its organization, in whole nanodollars and in exact dollars.

    Days, weeks and months are UTC's; a charge counts when it was settled.
    """

    today_nanos: str
    today_usd: str
    week_nanos: str
    week_usd: str
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


class KeyData(Schema):
    """The same by the names that OpenRouter has for it, in exact dollars as strings."""

    limit: str | None = Field(description="Of the hard budget of the key that has the least left; null without one.")
    limit_remaining: str | None
    limit_reset: Literal["daily", "weekly", "monthly"] | None = Field(description="null where it never is.")
    usage: str
    usage_daily: str
    usage_weekly: str
    usage_monthly: str


class Key(Schema):
    """A key, as it may see itself."""

    object: str = "key"
    organization: str
    permissions: list[str]
    test_mode: bool
    allowed_agents: list[str] | None = Field(description="The ids of the only agents it reaches; null for all.")
    limits: dict[str, int | None] = Field(description="What it may ask for; null where nothing of its own is set.")
    spend: KeySpend
    budget: KeyBudget | None = Field(description="Of the budgets it has to itself, the one that will be used up first.")
    data: KeyData


class CreditsData(Schema):
    """All that ever came into the wallet, and all that ever left it. The difference is there still. Exact dollars."""

    total_credits: str
    total_usage: str


class Credits(Schema):
    """An organization's credit, as OpenRouter tells it."""

    data: CreditsData


@router.get("/key", response=Key, summary="The key itself")
async def key(request: HttpRequest) -> Key:
    """What the key may do, within which limits, and what it has spent."""
    caller = caller_of(request)
    spend, budget = await on_behalf_of(caller, _of_key, caller.key_id)
    return Key(
        **shapes.key(caller),
        spend=_spend(spend),
        budget=None if budget is None else _budget(budget),
        data=_data(spend, budget),
    )


@router.get("/credits", response=Credits, summary="Credits")
async def credits(request: HttpRequest) -> Credits:
    """What the organization has paid in and used; a key needs `billing:read` for it."""
    caller = caller_of(request, with_any_of=frozenset({BILLING_READ}))
    found = await on_behalf_of(caller, spending.credits)
    return Credits(data=CreditsData(total_credits=usd(found.total_nanos), total_usage=usd(found.used_nanos)))


def _of_key(key_id: UUID | None) -> tuple[spending.Spend, budgets.State | None]:
    if key_id is None:
        return spending.Spend(), None
    tightest = next(iter(budgets.budgets_of("key", str(key_id))), None)
    return spending.spend_of_key(key_id, now=datetime.now(UTC)), tightest


def _spend(spend: spending.Spend) -> KeySpend:
    return KeySpend(
        today_nanos=str(spend.today_nanos),
        today_usd=usd(spend.today_nanos),
        week_nanos=str(spend.week_nanos),
        week_usd=usd(spend.week_nanos),
        month_nanos=str(spend.month_nanos),
        month_usd=usd(spend.month_nanos),
        total_nanos=str(spend.total_nanos),
        total_usd=usd(spend.total_nanos),
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


def _data(spend: spending.Spend, budget: budgets.State | None) -> KeyData:
    hard = budget if budget is not None and budget.budget.mode == "hard" else None
    return KeyData(
        limit=None if hard is None else usd(hard.budget.limit),
        limit_remaining=None if hard is None else usd(hard.remaining_nanos),
        limit_reset=None if hard is None else _RESETS.get(hard.budget.period),
        usage=usd(spend.total_nanos),
        usage_daily=usd(spend.today_nanos),
        usage_weekly=usd(spend.week_nanos),
        usage_monthly=usd(spend.month_nanos),
    )
