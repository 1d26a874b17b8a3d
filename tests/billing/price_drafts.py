"""Short words for drafting and publishing prices in tests."""

from typing import Any
from uuid import uuid4

from billing import publishing
from billing.models import PriceItem, PriceVersion
from billing.price_import import Imported, import_prices
from billing.price_review import PriceChange, review
from billing.prices.litellm import Reading
from billing.pricing import AgentPrice, PriceTerms, terms
from billing.tiers import Item
from tests.billing import money

ANN, BEN = "ann@example.test", "ben@example.test"


def unheard() -> str:
    return f"acme/model-{uuid4().hex}"


def reading(model: str, *items: Item, **prices: int) -> Reading:
    """A file of one model; its input and output cost a dollar and four a million unless it says otherwise."""
    units = {"input": 1_000_000, "output": 4_000_000, **prices}
    found = (*(Item(unit=unit, price_pico=price) for unit, price in units.items()), *items)
    return Reading(source="a test", models={model: found}, skipped={})


def imported(model: str, *items: Item, by: str = ANN, **prices: int) -> Imported:
    return import_prices(reading(model, *items, **prices), name=uuid4().hex, created_by=by)


def publish(version: PriceVersion, *, by: str = BEN) -> PriceVersion:
    return publishing.publish_version(version_id=version.pk, published_by=by)


def published(model: str, **prices: Any) -> str:
    """A model with these prices, published."""
    publish(imported(model, **prices).version)
    return model


def of_model(draft: PriceVersion, model: str) -> list[PriceChange]:
    return [change for change in review(draft.pk).changes if change.model == model]


def item(draft: PriceVersion, model: str, unit: str) -> PriceItem:
    with money.everything():
        return PriceItem.objects.get(version=draft, model=model, unit=unit, service_tier="", context_from=0)


def asked(model: str) -> dict[str, Any]:
    return {
        "model": model, "agent_price": AgentPrice(), "platform_credential": True, "owner_is_payer": False,
        "unpriced_allowed": False,
    }  # fmt: skip


def now_costs(model: str) -> PriceTerms:
    return money.run(terms(**asked(model)))
