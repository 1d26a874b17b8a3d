"""Payments that a gateway collects: begun by an organization, credited when the gateway's own record says they are."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid5

from django.conf import settings
from django.db.models.functions import Now

from billing import top_ups
from billing.amounts import NANOS_PER_DOLLAR
from billing.errors import GatewayRefused, NoGateway
from billing.gateways import Dispute, Event, Gateway, Payment, gateway
from billing.models import GatewayEvent, TopUp
from billing.movements import ask, check_amount, expect, working

LOOK_AFTER = timedelta(minutes=10)
AT_ONCE = 100
_ENDED = ("credited", "failed", "canceled", "refunded", "disputed", "pending")


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A top-up that can be paid on `page_url`, or how it has ended already."""

    id: UUID
    state: str
    page_url: str


def begin(
    *, id: UUID, organization_id: UUID, amount: object, currency: str = "USD", return_url: str, actor: str
) -> Begun:
    """Announce a top-up and have the gateway open a page for it; asked for again it is the same page.

    `amount` is dollars as text. The id is the organization's own word: another's, of the same id, is another top-up.
    Raises NoGateway, GatewayRefused, MovementRefused, MovementConflict, NoWallet.
    """
    company, own_id = gateway(), uuid5(organization_id, f"top-up:{id}")
    nanos = top_ups.nanos_of(amount, currency=currency)
    check_amount(nanos, least=settings.ROBUTLER.top_up_minimum_usd * NANOS_PER_DOLLAR)
    with working("begin a top-up"):
        outcome = ask("billing_announce_top_up", own_id, organization_id, nanos, company.rail, "Card", actor, 0)
        expect(outcome, done=("created", *_ENDED), what="top-up", id=id)
        row = TopUp.objects.get(pk=own_id)
    if row.state == TopUp.State.CREATED:
        page = company.open_page(top_up_id=own_id, amount_nanos=nanos, return_url=return_url)
        with working("await a payment"):
            ask("billing_await_payment", own_id, page.external_id, page.url)
            row = TopUp.objects.get(pk=own_id)
    return Begun(id=own_id, state=row.state, page_url=row.page_url if row.state == TopUp.State.PENDING else "")


def receive(body: bytes, *, signature: str) -> str:
    """Act upon a gateway's message, once; answers what it came to.

    What the message says is only where to look: the gateway's own record counts, so order and repetition do not.
    Raises NoGateway, ForgedEvent, StaleEvent, and GatewayRefused when the gateway should send it again.
    """
    company = gateway()
    event = company.read_event(body, signature=signature, now=time.time())
    with working("keep a gateway's message"):
        state = ask("billing_keep_event", company.rail, event.id, event.kind, event.object_id, event.body)
    if state != GatewayEvent.State.RECEIVED:
        return state
    return _ACTS.get(event.about, _ignored)(company, event)


def look_after_pending() -> int:
    """Ask the gateway about payments of which nobody has told us for a while; how many are credited now."""
    try:
        company = gateway()
    except NoGateway:
        return 0
    with working("look after payments"):
        waiting = TopUp.objects.filter(
            state=TopUp.State.PENDING, rail=company.rail, created_at__lt=Now() - LOOK_AFTER
        ).order_by("-created_at")
        names = [str(name) for name in waiting.values_list("external_id", flat=True)[:AT_ONCE]]
    credited = 0
    for name in names:
        try:
            credited += _apply(company, company.payment(name)) == "credited"
        except GatewayRefused:
            continue
    return credited


def _pay(company: Gateway, event: Event) -> str:
    return _apply(company, company.payment(event.object_id), event_id=event.id)


def _dispute(company: Gateway, event: Event) -> str:
    """A payment is credited before it is taken back, whichever message came first."""
    found = company.dispute(event.object_id)
    payment = company.payment_of(found.payment_id) if found.payment_id and found.takes_money else None
    if payment is None or found.amount_nanos is None:
        return _ignored(company, event)
    _apply(company, payment)
    return _take_back(company, event, found)


def _take_back(company: Gateway, event: Event, found: Dispute) -> str:
    with working(f"dispute {found.id}"):
        outcome = ask(
            "billing_apply_dispute", company.rail, event.id, uuid5(_DISPUTES, found.id), found.payment_id,
            found.amount_nanos, f"The bank took a payment back: {found.reason}"[:200], found.id[:64],
        )  # fmt: skip
    if outcome not in ("made", "ignored"):
        _log.error("The bank took %s back, and it is not in the books: %s. Book it by hand.", found.id, outcome)
    return outcome


def _apply(company: Gateway, payment: Payment, *, event_id: str = "") -> str:
    with working("act upon a payment"):
        return ask(
            "billing_apply_payment", company.rail, event_id, payment.external_id, payment.standing,
            payment.amount_nanos, payment.payment_id,
        )  # fmt: skip


def _ignored(company: Gateway, event: Event) -> str:
    with working("pass over a gateway's message"):
        ask("billing_close_event", company.rail, event.id, "ignored")
    return "ignored"


_ACTS: dict[str, Callable[[Gateway, Event], str]] = {"payment": _pay, "dispute": _dispute}
_log = logging.getLogger(__name__)
_DISPUTES = UUID("6f0d4d0e-5a39-5b5e-9b0a-3f1f6a0c7d11")
