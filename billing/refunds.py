"""Refunds: giving back what a settlement charged, or a part of it."""

from typing import Literal
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from billing.amounts import dollars
from billing.models import Refund
from billing.movements import Kind, alone, ask, check_amount, check_words, note, working

Reason = Literal["quality", "fault", "duplicate", "fraud", "dispute", "goodwill"]
State = Literal["requested", "made", "rejected"]


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
    most = alone(settings.ROBUTLER.refund_alone_usd)
    return _KIND.enter(
        "billing_refund_settlement", id, hold_id, amount_nanos, clawback, reason, remark[:200], actor, most,
        reason=f"refund: {remark}",
    )  # fmt: skip


def decide(*, id: UUID, approve: bool, actor: str) -> str:
    """A second person's word on a refund that awaits it; who comes later is told how it ended."""
    return _KIND.decide(id=id, approve=approve, actor=actor)


def refundable(hold_id: UUID) -> int:
    """What may still be given back of a hold's settlement. Nanodollars."""
    with working("look what can be refunded"):
        return int(ask("billing_refundable", hold_id))


def refunds(*, hold_id: UUID | None = None) -> QuerySet[Refund]:
    """Refunds that the context may see, the latest first; of one settlement, or all."""
    rows = Refund.objects.select_related("organization", "group").order_by("-requested_at", "id")
    return rows if hold_id is None else rows.filter(settlement_id=hold_id)


def _note(row: Refund, state: str) -> None:
    note(
        f"refund.{state}", row, organization_id=row.organization_id, amount=dollars(row.amount), reason=row.reason,
        note=row.note, hold=row.settlement_id, clawback=row.clawback,
    )  # fmt: skip


_KIND = Kind(
    model=Refund, what="refund", decides="billing_decide_refund", states=("requested", "made", "rejected"),
    waiting=Refund.State.REQUESTED, note=_note,
)  # fmt: skip
