"""A file of prices becomes a draft: what it names is taken from it, what it does not name stays as it is."""

from dataclasses import dataclass

from django.db import connections

from billing.models import PriceItem, PriceList, PriceVersion
from billing.price_review import Review, review
from billing.prices.litellm import Reading
from billing.publishing import published_before
from tenants import audit
from tenants.context import PLATFORM, atomic, platform_context


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The draft that was made, what it would change, and the models that the file does not name."""

    version: PriceVersion
    review: Review
    absent: tuple[str, ...]


def import_prices(reading: Reading, *, name: str, created_by: str, remove_absent: bool = False) -> Imported:
    """Draft the next version of the providers' prices from a file; staff only. Nothing counts before it is published.

    A model that the file names costs what the file says, and nothing else of what it cost before. `remove_absent`:
    models that the file does not name lose their price, and are refused from then on.
    """
    with platform_context(reason=f"import prices {name}"), atomic():
        price_list = PriceList.objects.get(kind=PriceList.Kind.PROVIDER_COST)
        version = PriceVersion.objects.create(
            price_list=price_list, name=name, source=reading.source, created_by=created_by
        )
        base = published_before(version)
        priced = PriceItem.objects.filter(version=base).order_by("model").values_list("model", flat=True).distinct()
        absent = tuple(model for model in priced if model not in reading.models)
        _insert(version.pk, reading)
        if base is not None and absent and not remove_absent:
            _keep(version.pk, base.pk, absent)
        audit.record(action="prices.imported", object=version, detail={"source": reading.source})
    return Imported(version=version, review=review(version.pk), absent=absent)


def _insert(version_id: int, reading: Reading) -> None:
    rows = [
        (model, item.unit, item.service_tier, item.context_from, item.price_pico, item.most)
        for model, items in reading.models.items()
        for item in items
    ]
    if rows:
        with connections[PLATFORM].cursor() as cursor:
            cursor.execute(_INSERT, (version_id, *map(list, zip(*rows, strict=True))))


def _keep(version_id: int, base_id: int, models: tuple[str, ...]) -> None:
    with connections[PLATFORM].cursor() as cursor:
        cursor.execute(_KEEP, (version_id, base_id, list(models)))


_INSERT = """
INSERT INTO billing_priceitem (version_id, model, unit, service_tier, context_from, price, most)
SELECT %s, item.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::bigint[]) AS item
"""
_KEEP = """
INSERT INTO billing_priceitem (version_id, model, unit, service_tier, context_from, price, most)
SELECT %s, model, unit, service_tier, context_from, price, most FROM billing_priceitem
WHERE version_id = %s AND model = ANY (%s)
"""
