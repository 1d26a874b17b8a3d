"""Adjustments: correcting the books by posting more, never by editing what stands."""

from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from billing.amounts import dollars
from billing.models import Adjustment
from billing.movements import Kind, alone, check_amount, check_words, note


def adjust(*, id: UUID, debit_id: int, credit_id: int, amount_nanos: int, reason: str, ticket: str, actor: str) -> str:
    """Move money from one account to another, for a reason that a ticket explains; answers the adjustment's state.

    Above a limit it awaits a second person. Under the same id it is posted once. Raises MovementRefused,
    MovementConflict, MovementNotFound.
    """
    return _ask("adjustment", id, (debit_id, credit_id, None, amount_nanos), reason, ticket, actor)


def write_off(
    *, id: UUID, debit_id: int, credit_id: int, amount_nanos: int, reason: str, ticket: str, actor: str
) -> str:
    """Give up what a wallet (`credit_id`) or a creator owes, at the expense of the platform's losses (`debit_id`)."""
    return _ask("write_off", id, (debit_id, credit_id, None, amount_nanos), reason, ticket, actor)


def reverse(*, id: UUID, group_id: int, reason: str, ticket: str, actor: str) -> str:
    """Take back a whole group of transfers by posting it the other way around.

    It is refused where a wallet or a creator does not have what was taken for granted. Raises as `adjust` does.
    """
    return _ask("reversal", id, (None, None, group_id, 1), reason, ticket, actor)


def decide(*, id: UUID, approve: bool, actor: str) -> str:
    """A second person's word on an adjustment that awaits it; who comes later is told how it ended."""
    return _KIND.decide(id=id, approve=approve, actor=actor)


def charge_back(
    *,
    id: UUID,
    organization_id: UUID,
    amount_nanos: int,
    reason: str,
    ticket: str,
    actor: str,
    top_up_id: UUID | None = None,
) -> str:
    """Book that a bank took a payment back: the wallet is frozen and gives what it has; the rest is a loss."""
    check_amount(amount_nanos)
    check_words(reason=reason, ticket=ticket)
    return _KIND.enter(
        "billing_charge_back", id, organization_id, amount_nanos, top_up_id, reason[:200], ticket[:64], actor,
        reason=f"chargeback: {reason}", what="chargeback",
    )  # fmt: skip


def adjustments() -> QuerySet[Adjustment]:
    """What staff has posted, the latest first; in platform work."""
    return Adjustment.objects.select_related("organization", "debit", "credit", "reverses").order_by("-requested_at")


def _ask(
    kind: str,
    id: UUID,
    what: tuple[int | None, int | None, int | None, int],
    reason: str,
    ticket: str,
    actor: str,
) -> str:
    check_amount(what[-1])
    check_words(reason=reason, ticket=ticket)
    most = alone(settings.ROBUTLER.adjustment_alone_usd)
    return _KIND.enter(
        "billing_adjust", id, kind, *what, reason[:200], ticket[:64], actor, most,
        reason=f"{kind}: {reason}", what=kind.replace("_", "-"),
    )  # fmt: skip


def _note(row: Adjustment, state: str) -> None:
    note(
        f"{row.kind}.{state}", row, organization_id=row.organization_id, amount=dollars(row.amount), reason=row.reason,
        ticket=row.ticket, debit=row.debit, credit=row.credit, reverses=row.reverses,
    )  # fmt: skip


_KIND = Kind(
    model=Adjustment, what="adjustment", decides="billing_decide_adjustment", states=("requested", "made", "rejected"),
    waiting=Adjustment.State.REQUESTED, note=_note,
)  # fmt: skip
