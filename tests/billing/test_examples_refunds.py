"""Refunds worked through as a bookkeeper would: what each step changed in every account."""

from collections.abc import Mapping
from uuid import UUID, uuid4

import pytest

from billing import ledger, refunds
from billing.errors import MovementConflict, MovementNotFound, MovementRefused
from tenants.models import AuditEvent, Organization
from tests import make
from tests.billing import money
from tests.billing.bookkeeping import Journal

DOLLAR = 10**9


@pytest.fixture
def journal(acme: Organization, globex: Organization, database_urls: Mapping[str, str]) -> Journal:
    """Acme pays, Globex earns."""
    make.wallet(acme, 1_000 * DOLLAR)
    return Journal(database_urls, acme=acme, globex=globex)


@pytest.fixture
def paid(acme: Organization, globex: Organization, journal: Journal) -> UUID:
    """Acme paid 100: 60 to Globex, 40 to the platform, which owes 30 of them to the provider."""
    hold = money.hold(acme, 200, creator=globex)
    money.settle(hold, cost=30, markup=60, fee=10)
    assert journal.posted() == {
        "acme: wallet": -100, "globex: creator_earnings": 60, "platform: platform_revenue": 40,
        "platform: provider_cost": 30, "platform: provider_payable": 30,
    }  # fmt: skip
    return hold


def give_back(hold: UUID, amount: int, *, id: UUID | None = None, actor: str = "ann@example.test", **how: bool) -> str:
    return refunds.refund(
        id=id or uuid4(), hold_id=hold, amount_nanos=amount, clawback=how.get("clawback", True), reason="quality",
        remark="ticket 12", actor=actor,
    )  # fmt: skip


def test_a_refund_after_a_payout(paid: UUID, globex: Organization, journal: Journal) -> None:
    """Globex was paid 45 of its 60. What it must return beyond the 15 that are left, it owes from now on."""
    journal.pay_out("globex", globex, 45)
    assert journal.posted() == {"globex: creator_earnings": -45, "platform: cash": -45}

    assert give_back(paid, 50) == "made"

    assert journal.posted() == {
        "acme: wallet": 50,
        "globex: creator_earnings": -15,  # of its half of 60, which is 30, what was not paid out yet
        "globex: creator_clawback": 15,  # the rest is a debt, netted against the next payout
        "platform: refund_contra": 20,
    }
    assert journal.balance("globex: creator_earnings") == 0

    assert give_back(paid, 50) == "made"

    assert journal.posted() == {"acme: wallet": 50, "globex: creator_clawback": 30, "platform: refund_contra": 20}
    assert refunds.refundable(paid) == 0


def test_a_full_refund_before_the_payout_leaves_nobody_anything(paid: UUID, journal: Journal) -> None:
    give_back(paid, 100)

    assert journal.posted() == {
        "acme: wallet": 100, "globex: creator_earnings": -60, "platform: refund_contra": 40,
    }  # fmt: skip


def test_what_does_not_divide_evenly_the_platform_bears(paid: UUID, journal: Journal) -> None:
    steps = []
    for amount in (1, 1, 1, 97):
        give_back(paid, amount)
        steps.append(journal.posted())

    assert steps == [
        {"acme: wallet": 1, "platform: refund_contra": 1},  # 0.6 of the creator's, rounded to the platform
        {"acme: wallet": 1, "globex: creator_earnings": -1},  # 1.2 so far
        {"acme: wallet": 1, "platform: refund_contra": 1},  # 1.8 so far
        {"acme: wallet": 97, "globex: creator_earnings": -59, "platform: refund_contra": 38},
    ]


def test_p15_goodwill_is_paid_by_the_platform_and_the_creator_keeps_its_share(paid: UUID, journal: Journal) -> None:
    give_back(paid, 100, clawback=False)

    assert journal.posted() == {"acme: wallet": 100, "platform: promo_expense": 100}


def test_no_more_is_given_back_than_was_charged(paid: UUID, journal: Journal) -> None:
    give_back(paid, 70)
    journal.posted()

    with pytest.raises(MovementRefused) as refusal:
        give_back(paid, 31, clawback=False)

    assert refusal.value.outcome == "too_much"
    assert journal.posted() == {}
    assert refunds.refundable(paid) == 30


def test_a_refund_asked_for_again_is_the_same_refund(paid: UUID, journal: Journal) -> None:
    id = uuid4()

    assert {give_back(paid, 40, id=id), give_back(paid, 40, id=id)} == {"made"}

    assert journal.posted()["acme: wallet"] == 40
    with pytest.raises(MovementConflict):
        give_back(paid, 41, id=id)
    assert journal.posted() == {}


@pytest.mark.parametrize("amount", [0, -1, 10**18 + 1])
def test_an_amount_that_is_none_is_not_given_back(amount: int, paid: UUID, journal: Journal) -> None:
    with pytest.raises(MovementRefused):
        give_back(paid, amount)

    assert journal.posted() == {}


def test_what_was_never_settled_is_not_given_back(acme: Organization, journal: Journal) -> None:
    for unsettled in (uuid4(), money.hold(acme, 5)):
        with pytest.raises(MovementNotFound):
            give_back(unsettled, 1)


def test_no_refund_is_made_without_a_word_why(paid: UUID) -> None:
    with pytest.raises(MovementRefused):
        refunds.refund(
            id=uuid4(), hold_id=paid, amount_nanos=1, clawback=True, reason="quality", remark=" ", actor="ann"
        )


def test_above_the_limit_a_second_person_approves(acme: Organization, journal: Journal) -> None:
    hold = money.hold(acme, 300 * DOLLAR)
    money.settle(hold, markup=300 * DOLLAR)
    journal.posted()
    id = uuid4()

    assert give_back(hold, 100 * DOLLAR) == "made"
    assert give_back(hold, 101 * DOLLAR, id=id) == "requested"
    assert journal.posted() == {"acme: wallet": 100 * DOLLAR, "platform: refund_contra": 100 * DOLLAR}

    with pytest.raises(MovementRefused) as alone:
        refunds.decide(id=id, approve=True, actor="ann@example.test")
    assert alone.value.outcome == "same_person"
    with pytest.raises(MovementRefused) as beyond:  # what awaits approval has its part already
        give_back(hold, 100 * DOLLAR)
    assert beyond.value.outcome == "too_much"
    assert journal.posted() == {}

    assert [refunds.decide(id=id, approve=True, actor=f"{who}@example.test") for who in ("bob", "cid")] == ["made"] * 2

    assert journal.posted() == {"acme: wallet": 101 * DOLLAR, "platform: refund_contra": 101 * DOLLAR}
    with money.everything():
        said = AuditEvent.objects.filter(organization=acme, object_id=str(id)).order_by("id")
        assert [event.action for event in said] == ["refund.requested", "refund.made"]


def test_a_rejected_refund_leaves_room_for_another(acme: Organization, journal: Journal) -> None:
    hold = money.hold(acme, 200 * DOLLAR)
    money.settle(hold, markup=200 * DOLLAR)
    id = uuid4()
    give_back(hold, 200 * DOLLAR, id=id)
    journal.posted()

    assert refunds.decide(id=id, approve=False, actor="bob@example.test") == "rejected"
    assert refunds.decide(id=id, approve=True, actor="cid@example.test") == "rejected"

    assert journal.posted() == {}
    assert refunds.refundable(hold) == 200 * DOLLAR


def test_a_frozen_wallet_still_gets_its_money_back(paid: UUID, acme: Organization, journal: Journal) -> None:
    from billing import wallets

    wallets.set_standing(organization_id=acme.id, standing="frozen", reason="a dispute", actor="ann")

    give_back(paid, 10)

    assert ledger.balance(acme.id).posted == 1_000 * DOLLAR - 90
