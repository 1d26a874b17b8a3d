"""Publishing prices: a draft version becomes what counts, and its predecessor ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg
from django.db import IntegrityError, connections
from django.db.models import F, Func, Value

from billing.models import PriceAcceptance, PriceItem, PriceList, PriceVersion
from billing.price_table import table
from tenants import audit, notify
from tenants.context import PLATFORM, atomic, platform_context


class PublicationRefused(Exception):
    """The draft does not count yet, and the message says what is missing."""


class NotADraft(PublicationRefused):
    """The version is published already: prices that count are never changed, a further version replaces them."""


class NotReviewed(PublicationRefused):
    """Some of its prices look mistaken, and nobody has accepted them."""


class NeedsAnother(PublicationRefused):
    """A price moves by more than a fifth, and who wants to publish the draft has written it."""


_REFUSALS = {"price_version_reviewed": NotReviewed, "price_version_two_people": NeedsAnother}


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

    Runs that were reserved before keep the prices they were reserved under. Raises a PublicationRefused.
    """
    with platform_context(reason="publish prices"), _refusals_told(), atomic():
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
        audit.record(action="prices.published", object=version, detail={"published_by": published_by})
        notify.publish("price", str(version_id))
        version.refresh_from_db()
    table.forget()
    return version


def accept_price(*, item_id: int, reason: str, accepted_by: str) -> None:
    """Say that a price of a draft that looks mistaken is right; staff only. It is said of this very price."""
    with platform_context(reason="accept a price"), atomic():
        item = PriceItem.objects.select_related("version").get(id=item_id, version__state=PriceVersion.State.DRAFT)
        PriceAcceptance.objects.get_or_create(
            version=item.version,
            model=item.model,
            unit=item.unit,
            service_tier=item.service_tier,
            context_from=item.context_from,
            price=item.price,
            defaults={"reason": reason, "accepted_by": accepted_by},
        )
        audit.record(
            action="price.accepted",
            object=item.version,
            detail={"model": item.model, "unit": item.unit, "price_pico": str(item.price), "reason": reason},
        )


def drop_price(*, item_id: int) -> None:
    """Take a price out of a draft: the one that counts now stays, if there is one; staff only.

    Whoever drops prices has not written any, and may publish the rest.
    """
    with platform_context(reason="drop a price"), atomic():
        item = PriceItem.objects.select_related("version").get(id=item_id, version__state=PriceVersion.State.DRAFT)
        base = published_before(item.version)
        key = {"model": item.model, "unit": item.unit, "service_tier": item.service_tier}
        old = PriceItem.objects.filter(version=base, context_from=item.context_from, **key).first()
        if old is None:
            item.delete()
        else:
            PriceItem.objects.filter(id=item_id).update(price=old.price, most=old.most)
        audit.record(
            action="price.dropped",
            object=item.version,
            detail={"model": item.model, "unit": item.unit, "price_pico": str(item.price)},
        )


def note_editor(*, version_id: int, editor: str) -> None:
    """Remember who changed a draft: they do not publish it where that takes another person."""
    PriceVersion.objects.filter(id=version_id).exclude(editors__contains=[editor]).update(
        editors=Func(F("editors"), Value(editor), function="array_append")
    )


def published_before(version: PriceVersion) -> PriceVersion | None:
    """The version that a draft is compared with: the one of its list that was published last."""
    published = PriceVersion.objects.filter(
        price_list_id=version.price_list_id, state=PriceVersion.State.PUBLISHED
    ).exclude(id=version.pk)
    return published.order_by("-valid_from").first()


@contextmanager
def _refusals_told() -> Iterator[None]:
    """The database's refusals in our words."""
    try:
        yield
    except IntegrityError as error:
        cause = error.__cause__
        if not isinstance(cause, psycopg.Error) or cause.diag.constraint_name not in _REFUSALS:
            raise
        said = cause.diag.message_primary or ""
        raise _REFUSALS[cause.diag.constraint_name](f"{said[:1].upper()}{said[1:]}.") from error


def _now() -> datetime:
    # One moment for the end of one version and the start of the next, read once the others have let go.
    with connections[PLATFORM].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (moment,) = cursor.fetchone()
    assert isinstance(moment, datetime)
    return moment
