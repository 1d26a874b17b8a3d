"""Corrections worked through: nothing is edited, what was wrong is posted backwards."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing import adjustments, ledger, refunds, wallets
from billing.errors import MovementConflict, MovementNotFound, MovementRefused, WalletFrozen
from billing.models import Account, Adjustment, TopUp
from tenants.models import AuditEvent, Organization
from tests import make
from tests.billing import money
from tests.billing.bookkeeping import Journal

DOLLAR = 10**9
WORDS: dict[str, Any] = {"reason": "booked twice", "ticket": "T-7", "actor": "ann@example.test"}


@pytest.fixture
def journal(acme: Organization, globex: Organization, database_urls: Mapping[str, str]) -> Journal:
    make.wallet(acme, 100)
    return Journal(database_urls, acme=acme, globex=globex)


def group_of(id: UUID) -> int:
    with money.everything():
        group = Adjustment.objects.get(pk=id).group_id
    assert group is not None
    return group


def top_up_of(organization: Organization) -> TopUp:
    with money.everything():
        return TopUp.objects.get(organization=organization)


def refusal(problem: pytest.ExceptionInfo[MovementRefused]) -> str:
    return problem.value.outcome


def test_a_reversed_adjustment(journal: Journal) -> None:
    """Ten too few came through the bank, so ten are added; then it turns out that they had come."""
    added = uuid4()
    rounding, wallet = journal.account("platform: rounding"), journal.account("acme: wallet")
    assert adjustments.adjust(id=added, debit_id=rounding, credit_id=wallet, amount_nanos=10, **WORDS) == "made"
    assert journal.posted() == {"acme: wallet": 10, "platform: rounding": -10}

    assert adjustments.reverse(id=uuid4(), group_id=group_of(added), **WORDS) == "made"

    assert journal.posted() == {"acme: wallet": -10, "platform: rounding": 10}
    with pytest.raises(MovementRefused) as twice:
        adjustments.reverse(id=uuid4(), group_id=group_of(added), **WORDS)
    assert refusal(twice) == "reversed"
    assert journal.posted() == {}
    assert journal.ask("SELECT count(*) FROM billing_transfergroup WHERE reverses_id = %s", group_of(added)) == 1


def test_a_reversal_is_refused_where_the_money_is_spent(acme: Organization, journal: Journal) -> None:
    """The 100 that came in were booked twice, but 60 of them are reserved by a run: they cannot all be taken."""
    run = money.hold(acme, 60)
    group = top_up_of(acme).group_id
    assert group is not None

    with pytest.raises(MovementRefused) as refused:
        adjustments.reverse(id=uuid4(), group_id=group, **WORDS)
    assert refusal(refused) == "insufficient"
    assert journal.posted() == {}

    money.release(run)
    adjustments.reverse(id=uuid4(), group_id=group, **WORDS)

    assert journal.posted() == {"acme: wallet": -100, "platform: external_clearing": -100}
    assert top_up_of(acme).state == "canceled"


def test_a_settlement_is_reversed_line_by_line(acme: Organization, globex: Organization, journal: Journal) -> None:
    hold = money.hold(acme, 100, creator=globex)
    money.settle(hold, cost=30, markup=60, fee=10)
    forward = journal.posted()
    group = journal.ask("SELECT id FROM billing_transfergroup WHERE hold_id = %s", hold)

    adjustments.reverse(id=uuid4(), group_id=group, **WORDS)

    assert journal.posted() == {name: -amount for name, amount in forward.items()}
    assert refunds.refundable(hold) == 0


def test_what_was_refunded_is_not_reversed_as_well(acme: Organization, journal: Journal) -> None:
    hold = money.hold(acme, 100)
    money.settle(hold, markup=60)
    refunds.refund(id=uuid4(), hold_id=hold, amount_nanos=1, clawback=True, reason="fault", remark="T-7", actor="ann")
    journal.posted()
    group = journal.ask("SELECT id FROM billing_transfergroup WHERE hold_id = %s", hold)

    with pytest.raises(MovementRefused) as refused:
        adjustments.reverse(id=uuid4(), group_id=group, **WORDS)

    assert refusal(refused) == "refunded"
    assert journal.posted() == {}


def test_earnings_that_were_paid_out_are_not_reversed(
    acme: Organization, globex: Organization, journal: Journal
) -> None:
    hold = money.hold(acme, 100, creator=globex)
    money.settle(hold, markup=60)
    journal.pay_out("globex", globex, 1)
    journal.posted()
    group = journal.ask("SELECT id FROM billing_transfergroup WHERE hold_id = %s", hold)

    with pytest.raises(MovementRefused) as refused:
        adjustments.reverse(id=uuid4(), group_id=group, **WORDS)

    assert refusal(refused) == "insufficient"


def test_a_payout_is_not_reversed(acme: Organization, globex: Organization, journal: Journal) -> None:
    money.settle(money.hold(acme, 100, creator=globex), markup=60)
    journal.pay_out("globex", globex, 20)
    journal.posted()
    group = journal.ask("SELECT max(id) FROM billing_transfergroup WHERE kind = 'payout'")

    with pytest.raises(MovementRefused) as refused:
        adjustments.reverse(id=uuid4(), group_id=group, **WORDS)

    assert refusal(refused) == "irreversible"
    assert journal.posted() == {}


def test_a_chargeback(acme: Organization, journal: Journal) -> None:
    """The bank took back the 100 that Acme had paid. 30 are spent and 25 reserved; 45 are there to be taken."""
    money.settle(money.hold(acme, 30), markup=30)
    run = money.hold(acme, 25)
    journal.posted()
    paid = top_up_of(acme)
    what: dict[str, Any] = {"organization_id": acme.id, "amount_nanos": 100, "top_up_id": paid.pk, **WORDS}
    id = uuid4()

    for _ in range(2):
        assert adjustments.charge_back(id=id, **what) == "made"

    assert journal.posted() == {
        "acme: wallet": -45, "platform: external_clearing": -100, "platform: overrun_loss": 55,
    }  # fmt: skip
    assert ledger.balance(acme.id) == ledger.Balance(posted=25, held=25, available=0, status="frozen")
    assert top_up_of(acme).state == "disputed"
    assert (stopped := wallets.standstill(acme.id))
    assert stopped.reason == "booked twice"
    with pytest.raises(WalletFrozen):
        money.hold(acme, 1)
    money.settle(run, markup=25)  # what was reserved is still paid
    assert journal.posted() == {"acme: wallet": -25, "platform: platform_revenue": 25}

    adjustments.reverse(id=uuid4(), group_id=group_of(id), **WORDS)  # the bank has decided for us

    assert journal.posted() == {
        "acme: wallet": 45, "platform: external_clearing": 100, "platform: overrun_loss": -55,
    }  # fmt: skip
    assert top_up_of(acme).state == "credited"


def test_a_debt_is_written_off_and_no_more_than_the_debt(acme: Organization, journal: Journal) -> None:
    """Acme pays afterwards, up to 50. It spent its 100 and 40 more, and will not pay them."""
    wallets.set_credit_limit(organization_id=acme.id, limit_nanos=50, reason="a contract", actor="ann")
    money.settle(money.hold(acme, 140), markup=140)
    journal.posted()
    accounts: dict[str, Any] = {
        "debit_id": journal.account("platform: overrun_loss"),
        "credit_id": journal.account("acme: wallet"),
    }

    with pytest.raises(MovementRefused) as refused:
        adjustments.write_off(id=uuid4(), amount_nanos=41, **accounts, **WORDS)
    assert refusal(refused) == "too_much"
    adjustments.write_off(id=uuid4(), amount_nanos=40, **accounts, **WORDS)

    assert journal.posted() == {"acme: wallet": 40, "platform: overrun_loss": 40}
    assert ledger.balance(acme.id).posted == 0


def test_above_the_limit_a_second_person_approves_what_is_still_possible(acme: Organization, journal: Journal) -> None:
    make.wallet(acme, 200 * DOLLAR)
    journal.posted()
    accounts: dict[str, Any] = {
        "debit_id": journal.account("acme: wallet"),
        "credit_id": journal.account("platform: rounding"),
    }
    id = uuid4()
    assert adjustments.adjust(id=id, amount_nanos=150 * DOLLAR, **accounts, **WORDS) == "requested"
    assert journal.posted() == {}
    with pytest.raises(MovementRefused) as alone:
        adjustments.decide(id=id, approve=True, actor="ann@example.test")
    assert refusal(alone) == "same_person"

    run = money.hold(acme, 100 * DOLLAR)
    with pytest.raises(MovementRefused) as late:
        adjustments.decide(id=id, approve=True, actor="bob@example.test")
    assert refusal(late) == "insufficient"
    money.release(run)

    assert adjustments.decide(id=id, approve=True, actor="bob@example.test") == "made"
    assert adjustments.decide(id=id, approve=True, actor="cid@example.test") == "made"
    assert journal.posted() == {"acme: wallet": -150 * DOLLAR, "platform: rounding": 150 * DOLLAR}
    with money.everything():
        said = AuditEvent.objects.filter(object_id=str(id)).order_by("id").values_list("action", flat=True)
        assert list(said) == ["adjustment.requested", "adjustment.made"]


def test_an_id_names_one_adjustment(journal: Journal) -> None:
    id = uuid4()
    accounts: dict[str, Any] = {
        "debit_id": journal.account("platform: rounding"),
        "credit_id": journal.account("acme: wallet"),
    }
    for _ in range(2):
        adjustments.adjust(id=id, amount_nanos=5, **accounts, **WORDS)

    assert journal.posted() == {"acme: wallet": 5, "platform: rounding": -5}
    with pytest.raises(MovementConflict):
        adjustments.adjust(id=id, amount_nanos=6, **accounts, **WORDS)


def test_what_is_not_there_is_not_reversed(journal: Journal) -> None:
    with pytest.raises(MovementNotFound):
        adjustments.reverse(id=uuid4(), group_id=2**40, **WORDS)


def test_a_wallet_is_frozen_opened_and_closed_with_a_reason(acme: Organization, journal: Journal) -> None:
    wallets.set_standing(organization_id=acme.id, standing="frozen", reason="unusual spending", actor="ann")
    assert (stopped := wallets.standstill(acme.id))
    assert stopped.reason == "unusual spending"
    with pytest.raises(MovementRefused) as full:
        wallets.set_standing(organization_id=acme.id, standing="closed", reason="they left", actor="ann")
    assert refusal(full) == "not_empty"

    wallets.set_standing(organization_id=acme.id, standing="open", reason="all is well", actor="ann")
    money.settle(money.hold(acme, 100), markup=100)
    wallets.set_standing(organization_id=acme.id, standing="closed", reason="they left", actor="ann")

    with pytest.raises(MovementRefused) as over:
        wallets.set_standing(organization_id=acme.id, standing="open", reason="they came back", actor="ann")
    assert refusal(over) == "closed"
    with money.everything():
        assert Account.objects.get(organization=acme, kind="wallet").status == "closed"
        said = AuditEvent.objects.filter(organization=acme, action__startswith="wallet.").order_by("id")
        actions = [event.action for event in said if event.action != "wallet.topped_up"]
        assert actions == ["wallet.frozen", "wallet.unfrozen", "wallet.closed"]


def test_a_credit_limit_is_never_less_than_what_is_used_of_it(acme: Organization, journal: Journal) -> None:
    wallets.set_credit_limit(organization_id=acme.id, limit_nanos=50, reason="a contract", actor="ann")
    money.hold(acme, 120)

    with pytest.raises(MovementRefused) as refused:
        wallets.set_credit_limit(organization_id=acme.id, limit_nanos=19, reason="less trust", actor="ann")

    assert refusal(refused) == "in_use"
    wallets.set_credit_limit(organization_id=acme.id, limit_nanos=20, reason="less trust", actor="ann")
    assert ledger.balance(acme.id).available == 0
    with money.everything():
        event = AuditEvent.objects.filter(organization=acme, action="wallet.credit_limit_set").latest("id")
    assert (event.detail["before"], event.detail["after"]) == ("$0.00000005", "$0.00000002")
