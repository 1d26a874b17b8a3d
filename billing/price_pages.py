"""The published prices, as everybody may look at them."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from billing.models import PriceItem, PriceList, PriceVersion
from billing.tiers import Item
from tenants.context import platform_context


@dataclass(frozen=True, kw_only=True)
class PricedModel:
    """What a model costs, item by item, and the version that says so."""

    model: str
    version_id: int
    items: tuple[Item, ...]


def prices_page(*, search: str = "", after: str = "", limit: int) -> tuple[list[PricedModel], bool]:
    """Models with a price by name, those whose name holds `search`; whether there are more."""
    items = _counting()
    names = items.filter(model__icontains=search, model__gt=after).order_by("model").values_list("model", flat=True)
    found = list(names.distinct()[: limit + 1])
    return _models(items.filter(model__in=found[:limit])), len(found) > limit


def priced_model(model: str) -> PricedModel | None:
    """What one model costs."""
    return next(iter(_models(_counting().filter(model=model))), None)


def _counting() -> QuerySet[PriceItem]:
    holds = Q(version__valid_from__lte=Now()) & (Q(version__valid_to__isnull=True) | Q(version__valid_to__gt=Now()))
    return PriceItem.objects.filter(
        holds, version__state=PriceVersion.State.PUBLISHED, version__price_list__kind=PriceList.Kind.PROVIDER_COST
    )


def _models(items: QuerySet[PriceItem]) -> list[PricedModel]:
    rows = items.order_by("model", "service_tier", "context_from", "unit")
    return [_model(model, of_model) for model, of_model in groupby(rows, key=lambda item: item.model)]


def _model(name: str, rows: Iterable[PriceItem]) -> PricedModel:
    found = list(rows)
    items = tuple(
        Item(
            unit=row.unit,
            service_tier=row.service_tier,
            context_from=row.context_from,
            price_pico=row.price,
            most=row.most,
        )
        for row in found
    )
    return PricedModel(model=name, version_id=found[0].version_id, items=items)


def versions_page(*, after: int | None = None, limit: int) -> tuple[list[PriceVersion], bool]:
    """The versions of every list, the latest first, drafts as well; staff only."""
    rows = PriceVersion.objects.select_related("price_list").order_by("-id")
    found = list((rows if after is None else rows.filter(id__lt=after))[: limit + 1])
    return found[:limit], len(found) > limit


def version_of(version_id: int) -> PriceVersion | None:
    """One version; staff only."""
    return PriceVersion.objects.select_related("price_list").filter(id=version_id).first()


def version_called(name: str) -> PriceVersion | None:
    """The draft with this name, of whichever list; staff only."""
    with platform_context(reason="find a draft of prices"):
        return PriceVersion.objects.filter(name=name, state=PriceVersion.State.DRAFT).order_by("-id").first()
