"""Top-ups: money that is announced, awaited, and credited when it has come."""

from decimal import Decimal
from uuid import UUID

from django.conf import settings

from billing.amounts import NANOS_PER_DOLLAR, dollars
from billing.errors import MovementRefused
from billing.models import TopUp
from billing.movements import Kind, alone, check_amount, check_words, note

STATES = ("created", "pending", "credited", "failed", "canceled", "refunded", "disputed")
MOST_DOLLARS = 1_000_000
_PLAIN = frozenset("0123456789.")


def nanos_of(amount: object, *, currency: str = "USD", places: int = 2) -> int:
    """An amount as people write it, exactly. Raises MovementRefused for what is none.

    Only plain decimal text is taken: no exponent, no sign, no float that was rounded on its way here.
    """
    if currency != "USD":
        raise MovementRefused("Wallets are kept in USD; write USD.", outcome="invalid_currency")
    plain = isinstance(amount, str) and 0 < len(amount) <= 20 and set(amount) <= _PLAIN and amount[0] != "."
    if not plain or str(amount).count(".") > 1 or len(str(amount).partition(".")[2]) > places:
        message = f'An amount is written as text in dollars, such as "25" or "25.50", with at most {places} decimals.'
        raise MovementRefused(message, outcome="invalid_amount")
    value = Decimal(str(amount))
    if not 0 < value <= MOST_DOLLARS:
        message = f"An amount is more than 0 and at most {MOST_DOLLARS} dollars."
        raise MovementRefused(message, outcome="invalid_amount")
    return int(value * NANOS_PER_DOLLAR)


def enter(*, id: UUID, organization_id: UUID, amount_nanos: int, reference: str, actor: str) -> str:
    """Enter money that came in from outside, by hand; answers the state of the top-up.

    `reference` is the evidence: how it can be found outside. From a limit on another person has to approve it before
    it is credited. Under the same id it is entered once. Raises MovementRefused, MovementConflict, NoWallet.
    """
    check_amount(amount_nanos)
    check_words(reference=reference)
    most = alone(settings.ROBUTLER.top_up_approval_usd) - 1
    return _KIND.enter(
        "billing_announce_top_up", id, organization_id, amount_nanos, "manual", reference[:200], actor, most,
        reason=f"top-up {reference}",
    )  # fmt: skip


def decide(*, id: UUID, approve: bool, actor: str) -> str:
    """A second person's word on money that awaits it; who comes later is told how it ended."""
    return _KIND.decide(id=id, approve=approve, actor=actor)


def _note(row: TopUp, state: str) -> None:
    action = "wallet.topped_up" if state == TopUp.State.CREDITED else f"top_up.{state}"
    note(action, row, organization_id=row.organization_id, amount=dollars(row.amount), reference=row.reference)


_KIND = Kind(
    model=TopUp, what="top-up", decides="billing_decide_top_up", states=STATES, waiting=TopUp.State.PENDING, note=_note
)
