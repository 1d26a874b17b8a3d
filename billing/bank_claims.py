"""Claims of banks on card payments: booked as chargebacks, else kept open and tried again until somebody explains."""

import logging
from uuid import UUID, uuid5

from django.db.models import QuerySet

from billing import collected
from billing.errors import GatewayAway, GatewayRefused, MovementNotFound, MovementRefused
from billing.gateways import Dispute, Gateway
from billing.models import BankClaim
from billing.movements import ask, check_words, note, working

AT_ONCE = 100


def act(company: Gateway, dispute_id: str, *, event_id: str = "") -> str:
    """Keep the claim, read the gateway's record of it, and book what it takes; answers what it came to.

    A payment is credited before it is taken back, whichever message came first. Raises GatewayRefused; the claim stays.
    """
    id = uuid5(_CLAIMS, dispute_id)
    with working(f"keep the claim {dispute_id}"):
        ask("billing_keep_claim", id, company.rail, dispute_id)
    return _act(company, id, company.dispute(dispute_id), event_id)


def look_after(company: Gateway) -> int:
    """Try open claims again, the longest forgotten first; how many are in the books now."""
    booked = 0
    for _ in range(AT_ONCE):
        with working("look after banks' claims"):
            name = ask("billing_next_claim", company.rail)
        if not name:
            break
        try:
            booked += _act(company, uuid5(_CLAIMS, name), company.dispute(name), "") == "made"
        except GatewayAway:
            break
        except GatewayRefused:
            continue
    return booked


def explain(*, id: UUID, explanation: str, actor: str) -> None:
    """Close a claim that the books do not take by saying what became of it.

    Raises MovementRefused, MovementNotFound.
    """
    check_words(explanation=explanation)
    with working("explain a bank's claim"):
        standing = ask("billing_explain_claim", id, explanation[:500], actor)
        if standing == "unknown":
            raise MovementNotFound("There is no such claim.")
        if standing != "done":
            raise MovementRefused("The claim has ended already.", outcome="ended")
        row = BankClaim.objects.select_related("top_up").get(pk=id)
        owner = row.top_up.organization_id if row.top_up else None
        note("bank_claim.explained", row, organization_id=owner, explanation=explanation, outcome=row.outcome)


def open_claims() -> QuerySet[BankClaim]:
    """What banks claim and the books do not show, the oldest first; in platform work."""
    return BankClaim.objects.filter(state=BankClaim.State.OPEN).order_by("received_at", "id")


def _act(company: Gateway, id: UUID, found: Dispute, event_id: str) -> str:
    payment = company.payment_of(found.payment_id) if found.payment_id and found.takes_money else None
    if payment is None:
        with working("drop a claim that takes nothing"):
            ask("billing_drop_claim", company.rail, event_id, id)
        return "ignored"
    collected.apply(company, payment)
    with working(f"book the claim {found.id}"):
        outcome = ask(
            "billing_apply_dispute", company.rail, event_id, id, found.payment_id, found.amount_nanos,
            f"The bank took a payment back: {found.reason}"[:200], found.id[:64],
        )  # fmt: skip
    if outcome not in ("made", "booked", "explained", "dropped"):
        _log.error("The bank took %s back, and it is not in the books: %s. See Banks' claims.", found.id, outcome)
    return outcome


_log = logging.getLogger(__name__)
_CLAIMS = UUID("6f0d4d0e-5a39-5b5e-9b0a-3f1f6a0c7d11")
