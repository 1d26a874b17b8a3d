"""GET /v1/key: what the key that asks may do, and what it has spent."""

from datetime import UTC, datetime

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from agents.services.usage import spend_of_key
from api.openai import shapes
from api.openai.access import caller_of, required
from api.openai.amounts import usd

router = Router(auth=required, tags=["Usage"])


class KeySpend(Schema):
    """What the key has cost its organization, in whole nanodollars and in exact dollars; days and months are UTC's."""

    today_nanos: str
    today_usd: str
    month_nanos: str
    month_usd: str
    total_nanos: str
    total_usd: str


class Key(Schema):
    """A key, as it may see itself."""

    object: str = "key"
    organization: str
    permissions: list[str]
    test_mode: bool
    allowed_agents: list[str] | None = Field(description="The ids of the only agents it reaches; null for all.")
    limits: dict[str, int | None] = Field(description="What it may ask for; null where nothing of its own is set.")
    spend: KeySpend
    budget: None = Field(None, description="What it may still spend; null, as keys have no budgets of their own.")


@router.get("/key", response=Key, summary="The key itself")
async def key(request: HttpRequest) -> Key:
    """What the key may do, within which limits, and what it has spent."""
    caller = caller_of(request)
    spend = await spend_of_key(caller, now=datetime.now(UTC))
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
    )
