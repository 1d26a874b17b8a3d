"""Publishing prices: a draft version becomes what counts, and its predecessor ends."""

from datetime import datetime

from django.db import connections

from billing.models import PriceList, PriceVersion
from billing.price_table import table
from tenants import notify
from tenants.context import PLATFORM, atomic, platform_context


class NotADraft(Exception):
    """The version is published already: prices that count are never changed, a further version replaces them."""


def copy_version(*, version_id: int, name: str, created_by: str) -> PriceVersion:
    """A draft that starts with the items of another version; staff only."""
    with platform_context(reason=f"draft prices {name}"), atomic():
        source = PriceVersion.objects.get(id=version_id)
        copy = PriceVersion.objects.create(price_list_id=source.price_list_id, name=name, created_by=created_by)
        with connections[PLATFORM].cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO billing_priceitem (version_id, model, unit, service_tier, context_from, price, most)
                SELECT %s, model, unit, service_tier, context_from, price, most FROM billing_priceitem
                WHERE version_id = %s
                """,
                (copy.pk, source.pk),
            )
    return copy


def publish_version(*, version_id: int, published_by: str) -> PriceVersion:
    """Let a draft count from now on, and end the version that counts until then; staff only.

    Runs that were reserved before keep the prices they were reserved under.
    """
    with platform_context(reason="publish prices"), atomic():
        # Two who publish at once wait for each other here.
        PriceList.objects.select_for_update().get(versions=version_id)
        version = PriceVersion.objects.get(id=version_id)
        if version.state != PriceVersion.State.DRAFT:
            raise NotADraft(f"{version.name} is published already: copy it into a new version and change that.")
        start = _now()
        PriceVersion.objects.filter(
            price_list_id=version.price_list_id, state=PriceVersion.State.PUBLISHED, valid_to__isnull=True
        ).update(valid_to=start)
        PriceVersion.objects.filter(id=version_id).update(
            state=PriceVersion.State.PUBLISHED, valid_from=start, published_by=published_by
        )
        notify.publish("price", str(version_id))
        version.refresh_from_db()
    table.forget()
    return version


def _now() -> datetime:
    # One moment for the end of one version and the start of the next, read once the others have let go.
    with connections[PLATFORM].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (moment,) = cursor.fetchone()
    assert isinstance(moment, datetime)
    return moment
