"""Payments that a gateway collects: begun by an organization, credited when the gateway's own record says they are."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid5

from django.conf import settings

from billing import bank_claims, collected, top_ups
from billing.amounts import NANOS_PER_DOLLAR
from billing.errors import NoGateway
from billing.gateways import Event, Gateway, gateway
from billing.models import GatewayEvent, TopUp
from billing.movements import ask, check_amount, expect, working

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
    """Ask the gateway about payments and claims of banks that wait for it; how many payments are credited now."""
    try:
        company = gateway()
    except NoGateway:
        return 0
    bank_claims.look_after(company)
    return collected.look_after(company)


def _pay(company: Gateway, event: Event) -> str:
    return collected.apply(company, company.payment(event.object_id), event_id=event.id)


def _dispute(company: Gateway, event: Event) -> str:
    return bank_claims.act(company, event.object_id, event_id=event.id)


def _ignored(company: Gateway, event: Event) -> str:
    with working("pass over a gateway's message"):
        ask("billing_close_event", company.rail, event.id, "ignored")
    return "ignored"


_ACTS: dict[str, Callable[[Gateway, Event], str]] = {"payment": _pay, "dispute": _dispute}
