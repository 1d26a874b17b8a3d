"""What a gateway collects: credited as its record says, with what it cost, and looked after until it has ended."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connections

from billing.errors import GatewayAway, GatewayRefused, PaymentUnknown
from billing.gateways import Gateway, Payment
from billing.movements import ask, working
from tenants.context import PLATFORM

LOOK_AFTER = timedelta(minutes=10)
"""So long somebody is given to pay, and the gateway to tell us."""
AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class _Due:
    """A payment to look after now; overdue is one that has been pending for too long."""

    external_id: str
    is_overdue: bool


def apply(company: Gateway, payment: Payment, *, event_id: str = "") -> str:
    """Post what the gateway's record says, with the end of the message that led here; answers what it came to."""
    with working("act upon a payment"):
        outcome = ask(
            "billing_apply_payment", company.rail, event_id, payment.external_id, payment.standing,
            payment.amount_nanos, payment.payment_id,
        )  # fmt: skip
        if payment.fee is not None and payment.standing == "paid":
            ask("billing_book_fee", company.rail, payment.external_id, payment.fee.amount_nanos)
    return outcome


def look_after(company: Gateway) -> int:
    """Ask the gateway about payments of which nobody has told us, the longest forgotten first; how many it credited.

    Each waits twice as long for its next look, a day at most, so that those that never end leave room for the others.
    """
    days, credited = settings.ROBUTLER.payment_pending_days, 0
    with working("end payments that never had a page"):
        ask("billing_end_unopened", company.rail, days, AT_ONCE)
    for _ in range(AT_ONCE):
        due = _next(company, days)
        if due is None:
            break
        try:
            credited += _look(company, due) == "credited"
        except GatewayAway:
            break
        except GatewayRefused:
            continue
    return credited


def _look(company: Gateway, due: _Due) -> str:
    try:
        outcome = apply(company, company.payment(due.external_id))
    except PaymentUnknown:
        outcome = "unknown"
    if not due.is_overdue or outcome not in ("pending", "mismatch", "unknown"):
        return outcome
    if outcome == "pending" and _closed(company, due.external_id):
        return apply(company, company.payment(due.external_id))
    with working("give a payment up"):
        return ask("billing_give_up_payment", company.rail, due.external_id)


def _closed(company: Gateway, external_id: str) -> bool:
    """Whether nobody can pay there any more; a page that was completed is past closing."""
    try:
        company.close_page(external_id)
    except GatewayAway:
        raise
    except GatewayRefused:
        return False
    return True


def _next(company: Gateway, days: int) -> _Due | None:
    with working("look after payments"), connections[PLATFORM].cursor() as cursor:
        cursor.execute(
            "SELECT * FROM billing_next_payment(%s, make_interval(secs => %s), %s)",
            (company.rail, LOOK_AFTER.total_seconds(), days),
        )
        found = cursor.fetchone()
    return None if found is None else _Due(external_id=found[0], is_overdue=found[1])
