"""Runs worked through to the last nanodollar, with every balance they touch."""

from uuid import uuid4

import pytest

from billing import ledger, selectors, top_ups
from billing.errors import (
    DuplicateRequest,
    HoldClosed,
    HoldConflict,
    HoldNotFound,
    InsufficientFunds,
    MovementConflict,
    MovementRefused,
    NoWallet,
    WalletFrozen,
)
from billing.models import Account, Charge, Settlement
from tenants.context import organization_context
from tenants.models import Organization
from tests import make
from tests.billing import money


@pytest.fixture
def payer(acme: Organization) -> Organization:
    return make.wallet(acme, 1_000)


@pytest.fixture
def creator(globex: Organization) -> Organization:
    return make.wallet(globex, 0)


def test_a_top_up_is_money_in_the_wallet(payer: Organization) -> None:
    assert ledger.balance(payer.id) == ledger.Balance(posted=1_000, held=0, available=1_000)
    assert money.broken_rules() == {}


def test_an_organization_without_a_wallet_has_nothing(acme: Organization) -> None:
    assert ledger.balance(acme.id) == ledger.Balance(posted=0, held=0, available=0)


def test_a_top_up_happens_once_per_id(payer: Organization) -> None:
    id = uuid4()
    for _ in range(2):
        top_ups.enter(id=id, organization_id=payer.id, amount_nanos=5, reference="wire 7", actor="staff@example.test")

    assert ledger.balance(payer.id).posted == 1_005
    with pytest.raises(MovementConflict):
        top_ups.enter(id=id, organization_id=payer.id, amount_nanos=6, reference="wire 7", actor="staff@example.test")


def test_a_top_up_needs_a_wallet_that_is_not_closed(acme: Organization) -> None:
    arguments = {"organization_id": acme.id, "amount_nanos": 5, "reference": "wire", "actor": "staff@example.test"}
    with pytest.raises(NoWallet):
        top_ups.enter(id=uuid4(), **{**arguments, "organization_id": uuid4()})

    with money.everything():
        Account.objects.filter(organization=acme, kind="wallet").update(status="closed")
    with pytest.raises(MovementRefused, match="closed"):
        top_ups.enter(id=uuid4(), **arguments)


def test_a_hold_sets_money_aside_and_a_release_gives_it_back(payer: Organization) -> None:
    id = money.hold(payer, 600)
    assert ledger.balance(payer.id) == ledger.Balance(posted=1_000, held=600, available=400)

    money.release(id)

    assert ledger.balance(payer.id) == ledger.Balance(posted=1_000, held=0, available=1_000)
    assert money.state(id) == ("released", "failed")


def test_the_platforms_credential_cost_and_fee_are_the_platforms_the_markup_the_creators(
    payer: Organization, creator: Organization
) -> None:
    books = money.Books()
    id = money.hold(payer, 600, creator=creator)

    settled = money.settle(id, cost=100, markup=30, fee=13)

    assert settled == ledger.Settled(charged_nanos=143, loss_nanos=0)
    assert ledger.balance(payer.id) == ledger.Balance(posted=857, held=0, available=857)
    assert selectors.earned(creator.id) == 0
    with organization_context(creator.id):
        assert selectors.earned(creator.id) == 30
    assert books.changes() == {
        "platform_revenue": 113, "creator_earnings": 30, "provider_cost": 100, "provider_payable": 100,
    }  # fmt: skip
    assert money.state(id) == ("settled", "finished")
    assert money.broken_rules() == {}


def test_the_creators_own_credential_cost_and_markup_are_the_creators_the_fee_the_platforms(
    payer: Organization, creator: Organization
) -> None:
    books = money.Books()
    id = money.hold(payer, 600, creator=creator, terms=money.OWN_KEY)

    settled = money.settle(id, cost=100, markup=30, fee=13, platform_credential=False)

    assert settled == ledger.Settled(charged_nanos=143, loss_nanos=0)
    assert books.changes() == {"platform_revenue": 13, "creator_earnings": 130}


def test_an_owner_with_an_own_credential_pays_the_fee_only(payer: Organization) -> None:
    books = money.Books()
    id = money.hold(payer, 600, creator=payer, terms=money.OWN_KEY)

    settled = money.settle(id, cost=100, markup=30, fee=13, platform_credential=False)

    assert settled == ledger.Settled(charged_nanos=13, loss_nanos=0)
    assert books.changes() == {"platform_revenue": 13}


def test_what_nobody_earns_is_the_platforms(payer: Organization) -> None:
    books = money.Books()

    money.settle(money.hold(payer, 600), cost=100, markup=30, fee=13)

    assert books.changes() == {"platform_revenue": 143, "provider_cost": 100, "provider_payable": 100}


def test_a_second_settlement_changes_nothing(payer: Organization) -> None:
    id = money.hold(payer, 600)
    first = money.settle(id, cost=100)

    again = money.settle(id, cost=500, markup=20)

    assert again == first
    assert ledger.balance(payer.id).available == 900


def test_work_that_cost_nothing_is_settled_without_a_transfer(payer: Organization) -> None:
    id = money.hold(payer, 600)

    assert money.settle(id) == ledger.Settled(charged_nanos=0, loss_nanos=0)
    with organization_context(payer.id):
        assert list(selectors.transfers_of(id)) == []
    assert money.broken_rules() == {}


def test_a_free_run_opens_a_charge_and_no_hold(acme: Organization) -> None:
    id = money.hold(acme, 0)
    with organization_context(acme.id):
        assert Charge.objects.get(id=id).status == "authorized"

    assert money.settle(id, platform_credential=False) == ledger.Settled(charged_nanos=0, loss_nanos=0)

    with organization_context(acme.id):
        assert Charge.objects.get(id=id).status == "finished"
        assert not Settlement.objects.filter(hold_id=id).exists()


def test_a_free_run_that_cost_the_platform_something_is_its_loss_once(acme: Organization) -> None:
    books = money.Books()
    id = money.hold(acme, 0)

    for _ in range(2):
        assert money.settle(id, cost=70, markup=5) == ledger.Settled(charged_nanos=0, loss_nanos=70)

    assert books.changes() == {"overrun_loss": 70, "provider_payable": 70}


def test_a_free_run_can_be_released(acme: Organization) -> None:
    id = money.hold(acme, 0)

    money.release(id)

    with organization_context(acme.id):
        assert Charge.objects.get(id=id).status == "failed"


def test_a_hold_grows_as_far_as_the_wallet_goes(payer: Organization) -> None:
    id = money.hold(payer, 600)

    money.run(ledger.extend(id=id, amount_nanos=1_000))
    money.run(ledger.extend(id=id, amount_nanos=700))
    with pytest.raises(InsufficientFunds) as refusal:
        money.run(ledger.extend(id=id, amount_nanos=1_001))

    assert ledger.balance(payer.id) == ledger.Balance(posted=1_000, held=1_000, available=0)
    assert (refusal.value.required_nanos, refusal.value.available_nanos, refusal.value.held_nanos) == (1, 0, 1_000)


def test_a_wallet_that_cannot_pay_refuses_and_says_what_it_has(payer: Organization) -> None:
    money.hold(payer, 600)

    with pytest.raises(InsufficientFunds) as refusal:
        money.hold(payer, 401)

    assert (refusal.value.required_nanos, refusal.value.available_nanos, refusal.value.held_nanos) == (401, 400, 600)


def test_a_frozen_wallet_starts_and_extends_nothing_but_pays_what_was_held(payer: Organization) -> None:
    id = money.hold(payer, 600)
    with money.everything():
        Account.objects.filter(organization=payer, kind="wallet").update(status="frozen")

    with pytest.raises(WalletFrozen):
        money.hold(payer, 1)
    with pytest.raises(WalletFrozen):
        money.run(ledger.extend(id=id, amount_nanos=601))
    assert money.settle(id, cost=600).charged_nanos == 600


def test_every_organization_has_an_empty_wallet_from_the_start(acme: Organization) -> None:
    assert ledger.balance(acme.id).available == 0
    with pytest.raises(InsufficientFunds):
        money.hold(acme, 1)


def test_without_a_wallet_nothing_is_held() -> None:
    with pytest.raises(NoWallet):
        money.hold(Organization(id=uuid4()), 1)


def test_the_same_hold_asked_for_again_is_the_same_hold(payer: Organization) -> None:
    id = money.hold(payer, 600)

    again = money.run(
        ledger.hold(
            id=id, payer=payer.id, run_id=id, amount_nanos=600, reference="r", price=money.PLATFORM_PAYS,
            beneficiary=None,
        )
    )  # fmt: skip

    assert again == ledger.HoldResult(id=id, amount_nanos=600, repeated=True)
    assert ledger.balance(payer.id).held == 600


def test_an_id_names_one_hold_for_ever(payer: Organization, creator: Organization) -> None:
    id = money.hold(payer, 600)

    with pytest.raises(HoldConflict):
        money.hold(payer, 700, id=id)
    with pytest.raises(HoldConflict):
        money.hold(creator, 0, id=id)


def test_an_idempotency_key_opens_one_charge(payer: Organization, creator: Organization) -> None:
    money.hold(payer, 1, idempotency_key="order-7")
    make.wallet(creator, 1)

    with pytest.raises(DuplicateRequest):
        money.hold(payer, 1, idempotency_key="order-7")

    money.hold(creator, 1, idempotency_key="order-7")


def test_what_is_not_there_cannot_be_moved(database: None) -> None:
    with pytest.raises(HoldNotFound):
        money.settle(uuid4(), cost=1)
    with pytest.raises(HoldNotFound):
        money.release(uuid4())
    with pytest.raises(HoldNotFound):
        money.run(ledger.extend(id=uuid4(), amount_nanos=1))


def test_a_hold_ends_once(payer: Organization) -> None:
    settled, released = money.hold(payer, 10), money.hold(payer, 10)
    money.settle(settled, cost=1)
    money.release(released)
    money.release(released)

    with pytest.raises(HoldClosed):
        money.release(settled)
    with pytest.raises(HoldClosed):
        money.settle(released, cost=1)
    with pytest.raises(HoldClosed):
        money.run(ledger.extend(id=settled, amount_nanos=20))


def test_a_creator_without_accounts_gets_one_by_earning(payer: Organization, globex: Organization) -> None:
    money.settle(money.hold(payer, 100, creator=globex), markup=40)

    with organization_context(globex.id):
        assert selectors.earned(globex.id) == 40


def test_a_charge_knows_its_parent_its_agent_and_its_run(payer: Organization) -> None:
    agent = uuid4()
    parent = money.hold(payer, 10)
    child = money.hold(payer, 5, kind="tool", parent=parent, agent_id=agent)

    with organization_context(payer.id):
        charge = Charge.objects.get(id=child)
    assert (charge.parent_id, charge.kind, charge.agent_id, charge.run_id) == (parent, "tool", agent, child)
