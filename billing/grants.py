"""Grants: giving credit, working out what was spent of it, and letting it expire."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from billing.amounts import dollars
from billing.models import Grant
from billing.movements import Kind, alone, ask, check_amount, check_words, note, working

Source = Literal["promo", "plan", "referral", "goodwill", "bonus"]
CostBasis = Literal["paid", "zero"]
USUAL_PRIORITY = 50
BATCH = 200
"""So many movements of a wallet are looked at under one lock of it."""


def give(
    *,
    id: UUID,
    organization_id: UUID,
    source: Source,
    amount_nanos: int,
    reason: str,
    actor: str,
    cost_basis: CostBasis = "zero",
    priority: int = USUAL_PRIORITY,
    expires_at: datetime | None = None,
) -> str:
    """Put credit into a wallet; answers the state of the grant. Without `expires_at` it never expires.

    Above a limit it awaits a second person. Under the same id it is given once. Raises MovementRefused,
    MovementConflict, NoWallet.
    """
    check_amount(amount_nanos)
    check_words(reason=reason)
    return _KIND.enter(
        "billing_give", id, organization_id, source, amount_nanos, cost_basis, priority, expires_at, reason[:200],
        actor, alone(settings.ROBUTLER.grant_alone_usd), reason=f"grant: {reason}",
    )  # fmt: skip


def decide(*, id: UUID, approve: bool, actor: str) -> str:
    """A second person's word on credit that awaits it; who comes later is told how it ended."""
    return _KIND.decide(id=id, approve=approve, actor=actor)


def grants_of(organization_id: UUID) -> QuerySet[Grant]:
    """What an organization was given, as far as the context may see it, in the order in which it is spent."""
    return in_burn_order(Grant.objects.filter(organization_id=organization_id, state=Grant.State.GIVEN))


def in_burn_order(grants: QuerySet[Grant]) -> QuerySet[Grant]:
    """The lowest priority first, then what expires soonest, what was free before what was paid for, and the oldest."""
    return grants.order_by("priority", F("expires_at").asc(nulls_last=True), "-cost_basis", "created_at", "id")


def attribute_spending() -> int:
    """Work out, for every wallet with grants, of which of them it was spent; answers how many movements were new."""
    with working("work out what was spent of grants"):
        owners = list(_live().values_list("organization_id", flat=True).distinct())
    return sum(_attribute(owner) for owner in owners)


def expire_due() -> int:
    """Take out of wallets what is left of grants whose time has come; answers how many gave something.

    What open holds may still spend is left to them, and looked at again the next time.
    """
    with working("look for expired grants"):
        due = list(_live().filter(expires_at__lte=Now()).order_by("organization_id", "id").values_list("pk", flat=True))
    taken = 0
    for id in due:
        with working("expire a grant"):
            taken += int(ask("billing_expire_grant", id)) > 0
    return taken


def _attribute(organization_id: UUID) -> int:
    seen = 0
    while True:
        with working("work out what was spent of grants"):
            part = int(ask("billing_attribute", organization_id, BATCH))
        seen += part
        if part < BATCH:
            return seen


def _live() -> QuerySet[Grant]:
    return Grant.objects.filter(state=Grant.State.GIVEN, used__lt=F("amount"))


def _note(row: Grant, state: str) -> None:
    note(
        f"grant.{state}", row, organization_id=row.organization_id, amount=dollars(row.amount), source=row.source,
        reason=row.reason, expires_at=row.expires_at,
    )  # fmt: skip


_KIND = Kind(
    model=Grant, what="grant", decides="billing_decide_grant", states=("requested", "given", "rejected"),
    waiting=Grant.State.REQUESTED, note=_note,
)  # fmt: skip
