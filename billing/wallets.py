"""Wallets as staff handles them: frozen, opened again, closed, and how far they may go below zero."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from django.conf import settings

from billing.amounts import dollars
from billing.models import Account
from billing.movements import ask, check_amount, check_words, expect, note, working
from tenants.context import platform_context

Standing = Literal["open", "frozen", "closed"]
_ACTIONS = {"open": "wallet.unfrozen", "frozen": "wallet.frozen", "closed": "wallet.closed"}


@dataclass(frozen=True, kw_only=True)
class Standstill:
    """That a wallet is frozen or closed and starts nothing, why, and whom its owner may ask."""

    status: str
    reason: str
    contact: str


def set_standing(*, organization_id: UUID, standing: Standing, reason: str, actor: str) -> None:
    """Freeze a wallet, open it again, or close an empty one for good. What was held is still paid from a frozen one."""
    check_words(reason=reason)
    with working(f"{standing}: {reason}"):
        outcome = ask("billing_set_wallet", organization_id, standing, reason[:200])
        expect(outcome, done=(standing,), what="wallet", id=organization_id)
        note(_ACTIONS[standing], _wallet(organization_id), organization_id=organization_id, reason=reason, by=actor)


def set_credit_limit(*, organization_id: UUID, limit_nanos: int, reason: str, actor: str) -> None:
    """Let an organization that pays afterwards go so far below zero; never less than it has gone already."""
    check_amount(limit_nanos, least=0)
    check_words(reason=reason)
    with working(f"credit limit: {reason}"):
        before = _wallet(organization_id)
        outcome = ask("billing_set_credit_limit", organization_id, limit_nanos)
        expect(outcome, done=("set",), what="wallet", id=organization_id)
        note(
            "wallet.credit_limit_set", before, organization_id=organization_id, reason=reason, by=actor,
            before=dollars(before.credit_limit if before else 0), after=dollars(limit_nanos),
        )  # fmt: skip


def standstill(organization_id: UUID) -> Standstill | None:
    """Why this organization's wallet is frozen or closed, as its members may read it; None when it is open."""
    with platform_context(reason="say why a wallet is frozen"):
        wallet = _wallet(organization_id)
    if wallet is None or wallet.status == Account.Status.OPEN:
        return None
    said, contact = wallet.status_reason, settings.ROBUTLER.billing_contact
    return Standstill(status=wallet.get_status_display().lower(), reason=said, contact=contact)


def _wallet(organization_id: UUID) -> Account | None:
    return Account.objects.filter(organization_id=organization_id, kind=Account.Kind.WALLET).first()
