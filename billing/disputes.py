"""Disputes: an organization does not agree with a charge; staff refunds something of it, or says why not."""

from typing import Literal
from uuid import UUID, uuid5

from django.db.models import QuerySet

from billing.errors import MovementNotFound
from billing.models import Dispute
from billing.movements import ask, check_words, expect, note, working

Reason = Literal["quality", "fault", "duplicate", "fraud", "other"]
State = Literal["open", "refunded", "rejected"]


def open_dispute(
    *, id: UUID, organization_id: UUID, charge_id: UUID, reason: Reason, remark: str = "", actor: str
) -> Dispute:
    """Dispute a charge that the organization has paid; asked for again under the same id it is the same dispute.

    The id is the organization's own word: another's, of the same id, is another dispute. Raises MovementNotFound,
    MovementConflict, and MovementRefused for a charge that is disputed already, or of which nothing can be given back.
    """
    own_id = uuid5(organization_id, f"dispute:{id}")
    with working("dispute a charge"):
        is_new = not Dispute.objects.filter(pk=own_id).exists()
        outcome = ask("billing_open_dispute", own_id, organization_id, charge_id, reason, remark[:500], actor)
        if outcome == "unknown":
            raise MovementNotFound("There is no such charge.")
        expect(outcome, done=("open", "refunded", "rejected"), what="dispute", id=id)
        row = _rows().get(pk=own_id)
        if is_new:
            _note(row)
    return row


def reject(*, id: UUID, answer: str, actor: str) -> None:
    """Decide that nothing is given back, and tell the organization why. Raises MovementRefused, MovementNotFound."""
    check_words(answer=answer)
    with working("reject a dispute"):
        expect(ask("billing_reject_dispute", id, answer[:500], actor), done=("done",), what="dispute", id=id)
        _note(_rows().get(pk=id))


def disputes(*, organization_id: UUID | None = None, state: str | None = None) -> QuerySet[Dispute]:
    """Disputes that the context may see, the latest first; of one organization, or all."""
    rows = _rows().order_by("-opened_at", "-id")
    rows = rows if organization_id is None else rows.filter(organization_id=organization_id)
    return rows if state is None else rows.filter(state=state)


def disputes_of_run(run_id: UUID) -> QuerySet[Dispute]:
    """Those about charges of one run, that the context may see, the latest first."""
    return disputes().filter(settlement__hold__charge__run_id=run_id)


def _rows() -> QuerySet[Dispute]:
    return Dispute.objects.select_related("organization", "settlement__hold__charge", "refund")


def _note(row: Dispute) -> None:
    action = "dispute.opened" if row.state == Dispute.State.OPEN else f"dispute.{row.state}"
    note(action, row, organization_id=row.organization_id, reason=row.reason, hold=row.settlement_id, answer=row.answer)
