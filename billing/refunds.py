"""Refunds: giving back what a settlement charged, or a part of it."""

from typing import Literal
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from billing.amounts import dollars
from billing.models import Refund
from billing.movements import alone, ask, check_amount, check_words, expect, note, working

Reason = Literal["quality", "fault", "duplicate", "fraud", "dispute", "goodwill"]
State = Literal["requested", "made", "rejected"]
STATES = ("requested", "made", "rejected")


def refund(
    *, id: UUID, hold_id: UUID, amount_nanos: int, clawback: bool, reason: Reason, remark: str, actor: str
) -> str:
    """Give back `amount_nanos` of what the hold's settlement charged; answers the state of the refund.

    With `clawback` the creator and the platform return their parts; without, the creator keeps everything and the
    platform pays. Above a limit it awaits a second person. Asked for again under the same id it is the same refund.
    Raises MovementRefused, MovementConflict, MovementNotFound.
    """
    check_amount(amount_nanos)
    check_words(remark=remark)
    with working(f"refund: {remark}"):
        is_new = not Refund.objects.filter(pk=id).exists()
        most = alone(settings.ROBUTLER.refund_alone_usd)
        outcome = ask(
            "billing_refund_settlement", id, hold_id, amount_nanos, clawback, reason, remark[:200], actor, most
        )
        state = expect(outcome, done=STATES, what="refund", id=id)
        if is_new:
            _note(id, state)
    return state


def decide(*, id: UUID, approve: bool, actor: str) -> str:
    """A second person's word on a refund that awaits it; who comes later is told how it ended."""
    with working("decide about a refund"):
        waits = Refund.objects.filter(pk=id, state=Refund.State.REQUESTED).exists()
        state = expect(ask("billing_decide_refund", id, approve, actor), done=STATES, what="refund", id=id)
        if waits:
            _note(id, state)
    return state


def refundable(hold_id: UUID) -> int:
    """What may still be given back of a hold's settlement. Nanodollars."""
    with working("look what can be refunded"):
        return int(ask("billing_refundable", hold_id))


def refunds(*, hold_id: UUID | None = None) -> QuerySet[Refund]:
    """Refunds that the context may see, the latest first; of one settlement, or all."""
    rows = Refund.objects.select_related("organization", "group").order_by("-requested_at", "id")
    return rows if hold_id is None else rows.filter(settlement_id=hold_id)


def _note(id: UUID, state: str) -> None:
    row = Refund.objects.get(pk=id)
    note(
        f"refund.{state}", row, organization_id=row.organization_id, amount=dollars(row.amount), reason=row.reason,
        note=row.note, hold=row.settlement_id, clawback=row.clawback,
    )  # fmt: skip
