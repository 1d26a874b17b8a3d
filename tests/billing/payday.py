"""Short words for tests about payouts: earnings of a creator, an account to pay them to, a provider that misbehaves."""

from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from django.db import connections

from billing import payouts
from billing.models import Payout, PayoutBatch
from billing.payout_rails import Answer, Destination, Order, RailUnreachable
from billing.payouts import Terms
from tenants.context import organization_context
from tenants.models import Organization
from tests import make
from tests.billing import money

DOLLAR = 10**9
IBAN = "DE89 3704 0044 0532 0130 00"
AT_ONCE = Terms(hold_back_days=0, minimum_nanos=10 * DOLLAR, reserve_basis_points=0, reserve_days=0, rail="manual")
THROUGH_A_PROVIDER = Terms(
    hold_back_days=0, minimum_nanos=10 * DOLLAR, reserve_basis_points=0, reserve_days=0, rail="gateway"
)
_years = count(2100)


def earn(creator: Organization, nanos: int, *, payer: Organization | None = None) -> UUID:
    """A run of the creator's agent that somebody else paid for."""
    payer = payer or make.wallet(make.organization("Initech"), nanos)
    id = money.hold(payer, nanos, creator=creator)
    money.settle(id, markup=nanos)
    return id


def banked(creator: Organization, *, holder: str = "Globex Ltd") -> Organization:
    """An account for the creator's earnings."""
    with organization_context(creator.id):
        payouts.store_account(
            organization_id=creator.id,
            destination=Destination(holder=holder, number=IBAN, bank_code="COBADEFF", country="DE"),
            entered_by="owner@example.test",
        )
    return creator


def a_month() -> str:
    """A month that no other test pays."""
    return f"{next(_years)}-01"


def nobody_else_is_paid(*creators: Organization) -> None:
    """From now on only these creators have an account in use, and no batch waits: the database is never emptied."""
    with money.everything():
        waiting = list(PayoutBatch.objects.filter(state="calculated").values_list("pk", flat=True))
    for id in waiting:
        payouts.cancel(id=id, actor="ada@example.test", reason="of another test")
    ids = [creator.id for creator in creators]
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "UPDATE billing_payoutaccount SET replaced_at = now()"
            " WHERE replaced_at IS NULL AND NOT organization_id = ANY (%s)",
            (ids,),
        )


def calculated(*creators: Organization, on: Terms = AT_ONCE) -> UUID:
    """A batch with these creators in it, and nobody else."""
    id = uuid4()
    nobody_else_is_paid(*creators)
    payouts.calculate(id=id, period=a_month(), actor="ada@example.test", reason="payday", on=on)
    return id


def approved(*creators: Organization, on: Terms = AT_ONCE) -> UUID:
    """The same, approved by somebody else."""
    id = calculated(*creators, on=on)
    payouts.approve(id=id, actor="grace@example.test", reason="payday")
    return id


def payout_of(batch_id: UUID, creator: Organization) -> Payout:
    """A creator's payout in a batch."""
    with money.everything():
        return Payout.objects.get(batch_id=batch_id, organization=creator)


def batch(id: UUID) -> Any:
    """A batch."""
    with money.everything():
        return payouts.batch(id)


def position(creator: Organization) -> payouts.Position:
    """Where a creator's earnings stand when nothing is held back."""
    with organization_context(creator.id):
        return payouts.position(creator.id, on=AT_ONCE)


def owe_back(creator: Organization, nanos: int) -> None:
    """Refunds took so much more than the creator had, or may not be taken from what it has now."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT billing_post(%s, 'adjustment', %s, 'test', 'refund', NULL, ARRAY[billing_account_of(%s,"
            " 'creator_clawback')], ARRAY[billing_platform_account('refund_contra')], ARRAY[%s::bigint])",
            (f"test:{uuid4()}", creator.id, creator.id, nanos),
        )


def report(payout: Payout, answer: Answer) -> None:
    """What became of a payout, as staff or the provider say."""
    payouts.record(id=payout.id, attempt=payout.attempt, answer=answer, actor="grace@example.test", reason="bank")


def let_time_pass(payout: Payout) -> None:
    """The lease of a payout has run out."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE billing_payout SET next_attempt_at = now() WHERE id = %s", (payout.id,))


def backdate(creator: Organization, *, days: int) -> None:
    """Everything a creator earned so far was earned so many days earlier."""
    with connections["owner"].cursor() as cursor:
        for table, whose in (("transfer", "credit_organization_id"), ("settlement", "beneficiary_id")):
            cursor.execute(f"ALTER TABLE billing_{table} DISABLE TRIGGER append_only")
            cursor.execute(
                f"UPDATE billing_{table} SET created_at = created_at - make_interval(days => %s) WHERE {whose} = %s",
                (days, creator.id),
            )
            cursor.execute(f"ALTER TABLE billing_{table} ENABLE TRIGGER append_only")


class Bank:
    """A payment provider that keeps the contract: one key, one payment, one answer. `script` says how it misbehaves."""

    def __init__(self, *script: Callable[[Answer], Answer]) -> None:
        self.script = list(script)
        self.sent: dict[str, Answer] = {}
        self.orders: list[Order] = []
        self.looked: list[str] = []
        self.state: Answer | None = None

    def send(self, order: Order) -> Answer:
        """Pay, once per key."""
        self.orders.append(order)
        answer = self.sent.setdefault(order.key, Answer(outcome="accepted", external_ref=f"tr_{uuid4().hex}"))
        return self.script.pop(0)(answer) if self.script else answer

    def look(self, *, key: str, external_ref: str) -> Answer:
        """What became of it."""
        self.looked.append(key)
        return self.state or self.sent[key]


def times_out(_: Answer) -> Answer:
    """The bank did it, and its answer was lost."""
    raise RailUnreachable("timed out")


def refuses(_: Answer) -> Answer:
    """The bank does not know the account."""
    return Answer(outcome="failed", code="account_unknown")
