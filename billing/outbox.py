"""Carrying the outbox out: events become deliveries, deliveries are tried until they arrive or a day is over."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connections
from django.db.models import F
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import timezone

import outbound
from billing import alerts
from billing.amounts import dollars
from billing.models import Delivery, OutboxEvent, WebhookEndpoint
from billing.webhooks import Signed, signed
from tenants.context import PLATFORM, atomic, organization_context, platform_context
from tenants.errors import SecretUnreadable
from tenants.selectors import mailboxes_of

EVENTS_AT_ONCE: Final = 500
DELIVERIES_AT_ONCE: Final = 50
LEASE: Final = timedelta(seconds=90)
"""Longer than an attempt can take: whoever dies with a delivery gives it back by then."""
ANSWER_SECONDS: Final = 15.0
ANSWER_BYTES: Final = 64_000
PAUSES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800)
)
"""How long to wait after each attempt that failed; after the last, about a day in all, the delivery is given up."""
MAILED: Final = frozenset(
    {"balance.low", "budget.threshold", "payout.paid", "payout.failed", "statement.ready", "dispute.decided"}
)
GONE: Final = 410


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an attempt came to, in a few words."""

    arrived: bool
    answer: str
    gone: bool = False


def relay() -> int:
    """Make out deliveries for new events, then try those that are due; how many arrived."""
    while publish_events() == EVENTS_AT_ONCE:
        pass
    arrived = 0
    while claimed := _claim():
        outcomes = _attempt(claimed)
        for delivery, outcome in zip(claimed, outcomes, strict=True):
            _note(delivery, outcome)
        arrived += sum(outcome.arrived for outcome in outcomes)
        if len(claimed) < DELIVERIES_AT_ONCE:
            break
    return arrived


def publish_events() -> int:
    """Make out the deliveries of the oldest events that have none yet; how many events there were."""
    with platform_context(reason="make out deliveries of news"), atomic():
        waiting = OutboxEvent.objects.select_for_update(skip_locked=True).filter(published_at=None)
        events = list(waiting.order_by("created_at", "id")[:EVENTS_AT_ONCE])
        listening: dict[object, list[WebhookEndpoint]] = defaultdict(list)
        owners = {event.organization_id for event in events}
        for endpoint in WebhookEndpoint.objects.filter(organization_id__in=owners, active=True):
            listening[endpoint.organization_id].append(endpoint)
        made = [delivery for event in events for delivery in _deliveries(event, listening[event.organization_id])]
        Delivery.objects.bulk_create(made, ignore_conflicts=True)
        OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).update(published_at=Now())
    return len(events)


def body_of(event: OutboxEvent) -> bytes:
    """The message of an event, the same however often it is sent."""
    return msgspec.json.encode(
        {
            "id": message_id(event),
            "type": event.topic,
            "timestamp": event.created_at,
            "organization_id": event.organization_id,
            "data": event.payload,
        }
    )


def message_id(event: OutboxEvent) -> str:
    """What tells one event from all others."""
    return f"evt_{event.pk.hex}"


def _deliveries(event: OutboxEvent, listening: Sequence[WebhookEndpoint]) -> list[Delivery]:
    by_hook = [
        Delivery(organization_id=event.organization_id, event=event, endpoint=endpoint)
        for endpoint in listening
        if event.topic in endpoint.topics
    ]
    mailboxes = mailboxes_of(event.organization_id) if event.topic in MAILED else ()
    by_mail = [Delivery(organization_id=event.organization_id, event=event, mailbox=mailbox) for mailbox in mailboxes]
    return by_hook + by_mail


def _claim() -> list[Delivery]:
    with platform_context(reason="deliver news"), atomic():
        due = Delivery.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            state=Delivery.State.PENDING, next_attempt_at__lte=Now()
        )
        claimed = list(
            due.select_related("event", "endpoint", "endpoint__data_key").order_by("next_attempt_at")[
                :DELIVERIES_AT_ONCE
            ]
        )
        Delivery.objects.filter(pk__in=[delivery.pk for delivery in claimed]).update(
            attempts=F("attempts") + 1, next_attempt_at=Now() + LEASE
        )
    for delivery in claimed:
        delivery.attempts += 1
    return claimed


def _attempt(claimed: Sequence[Delivery]) -> list[Outcome]:
    # Nothing of the database is held while others take their time.
    connections[PLATFORM].close()
    hooks = [delivery for delivery in claimed if delivery.endpoint is not None]
    posted = dict(zip(hooks, asyncio.run(_post_all(hooks)), strict=True)) if hooks else {}
    return [posted[delivery] if delivery in posted else _mail(delivery) for delivery in claimed]


async def _post_all(deliveries: Sequence[Delivery]) -> list[Outcome]:
    now = timezone.now()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_post(delivery, now)) for delivery in deliveries]
        return [task.result() for task in tasks]
    finally:
        await outbound.close_all()


async def _post(delivery: Delivery, now: datetime) -> Outcome:
    assert delivery.endpoint is not None
    if not delivery.endpoint.active:
        return Outcome(arrived=False, answer="The endpoint is switched off.")
    try:
        message: Signed = signed(
            delivery.endpoint, message_id=message_id(delivery.event), body=body_of(delivery.event), at=now
        )
        answer = await outbound.fetch(
            delivery.endpoint.url,
            method="POST",
            headers=message.headers,
            body=message.body,
            max_bytes=ANSWER_BYTES,
            timeout_s=ANSWER_SECONDS,
        )
    except (outbound.OutboundError, SecretUnreadable) as error:
        return Outcome(arrived=False, answer=str(error))
    return Outcome(arrived=200 <= answer.status < 300, answer=f"HTTP {answer.status}", gone=answer.status == GONE)


def _mail(delivery: Delivery) -> Outcome:
    event = delivery.event
    subject, _, body = render_to_string(f"emails/{event.topic}.txt", {"data": _readable(event)}).partition("\n")
    message = EmailMessage(
        subject=subject.strip(),
        body=body.strip() + "\n",
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[delivery.mailbox],
        headers={"Message-ID": f"<{message_id(event)}.{delivery.pk.hex}@robutler>", "Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except OSError as error:  # smtplib's errors are of its kind
        return Outcome(arrived=False, answer=type(error).__name__)
    return Outcome(arrived=True, answer="sent")


def _readable(event: OutboxEvent) -> dict[str, Any]:
    """What happened, with amounts in dollars under their names without `_nanos`, and budgets in words."""
    told = {
        name.removesuffix("_nanos"): dollars(int(value)) if name.endswith("_nanos") else value
        for name, value in event.payload.items()
    }
    if event.topic == "budget.threshold":
        with organization_context(event.organization_id):
            told.update(alerts.budget_in_words(event.payload))
    return told


def _note(delivery: Delivery, outcome: Outcome) -> None:
    """Write down what an attempt came to, unless somebody else has tried since."""
    with platform_context(reason="note what became of news"), atomic():
        mine = Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts, state=Delivery.State.PENDING)
        answer = outcome.answer[:200]
        if outcome.arrived:
            mine.update(state=Delivery.State.DELIVERED, delivered_at=Now(), answer=answer)
        elif outcome.gone or delivery.attempts > len(PAUSES):
            mine.update(state=Delivery.State.DEAD, answer=answer)
        else:
            mine.update(next_attempt_at=Now() + PAUSES[delivery.attempts - 1], answer=answer)
        if outcome.gone:
            WebhookEndpoint.objects.filter(pk=delivery.endpoint_id).update(active=False)
