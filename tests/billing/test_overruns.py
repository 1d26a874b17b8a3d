"""Runs that came to more than was reserved: who pays, who earns nothing by it, to the last nanodollar."""

import pytest

from billing import ledger
from tenants.models import Organization
from tests import make
from tests.billing import money


@pytest.fixture
def payer(acme: Organization) -> Organization:
    return make.wallet(acme, 1_000)


@pytest.fixture
def creator(globex: Organization) -> Organization:
    return make.wallet(globex, 0)


def test_beyond_the_hold_the_wallet_pays_the_platforms_cost_and_nobody_earns(
    payer: Organization, creator: Organization
) -> None:
    books = money.Books()
    id = money.hold(payer, 100, creator=creator)

    settled = money.settle(id, cost=300, markup=50, fee=35)

    assert settled == ledger.Settled(charged_nanos=300, loss_nanos=0)
    assert ledger.balance(payer.id) == ledger.Balance(posted=700, held=0, available=700)
    assert books.changes() == {"platform_revenue": 300, "provider_cost": 300, "provider_payable": 300}
    assert money.broken_rules() == {}


def test_a_creator_who_claims_a_fortune_gets_what_was_reserved_and_no_more(
    payer: Organization, creator: Organization
) -> None:
    books = money.Books()
    id = money.hold(payer, 100, creator=creator)

    settled = money.settle(id, cost=20, markup=10**12, fee=10)

    assert settled == ledger.Settled(charged_nanos=100, loss_nanos=0)
    assert ledger.balance(payer.id) == ledger.Balance(posted=900, held=0, available=900)
    assert books.changes() == {
        "platform_revenue": 30, "creator_earnings": 70, "provider_cost": 20, "provider_payable": 20,
    }  # fmt: skip
    assert money.broken_rules() == {}


def test_an_own_credential_that_claims_a_fortune_gets_what_was_reserved_and_no_more(
    payer: Organization, creator: Organization
) -> None:
    books = money.Books()
    id = money.hold(payer, 100, creator=creator, terms=money.OWN_KEY)

    settled = money.settle(id, cost=10**12, markup=30, fee=13, platform_credential=False)

    assert settled == ledger.Settled(charged_nanos=100, loss_nanos=0)
    assert ledger.balance(payer.id) == ledger.Balance(posted=900, held=0, available=900)
    assert books.changes() == {"platform_revenue": 13, "creator_earnings": 87}
    assert money.broken_rules() == {}


def test_an_owner_with_an_own_credential_pays_no_fee_beyond_the_hold(payer: Organization) -> None:
    books = money.Books()
    id = money.hold(payer, 100, creator=payer, terms=money.OWN_KEY)

    settled = money.settle(id, fee=900, platform_credential=False)

    assert settled == ledger.Settled(charged_nanos=100, loss_nanos=0)
    assert ledger.balance(payer.id) == ledger.Balance(posted=900, held=0, available=900)
    assert books.changes() == {"platform_revenue": 100}


def test_what_was_not_reserved_is_cut_from_the_creator_first(payer: Organization, creator: Organization) -> None:
    books = money.Books()
    id = money.hold(payer, 200, creator=creator)

    settled = money.settle(id, cost=150, markup=80, fee=20)

    assert settled == ledger.Settled(charged_nanos=200, loss_nanos=0)
    assert ledger.balance(payer.id) == ledger.Balance(posted=800, held=0, available=800)
    assert books.changes() == {
        "platform_revenue": 170, "creator_earnings": 30, "provider_cost": 150, "provider_payable": 150,
    }  # fmt: skip


def test_then_from_the_fee_and_the_cost_the_wallet_cannot_pay_is_the_platforms_loss(
    payer: Organization, creator: Organization
) -> None:
    books = money.Books()
    money.hold(payer, 800)
    id = money.hold(payer, 100, creator=creator)

    settled = money.settle(id, cost=250, markup=80, fee=20)

    assert settled == ledger.Settled(charged_nanos=200, loss_nanos=50)
    assert ledger.balance(payer.id) == ledger.Balance(posted=800, held=800, available=0)
    assert books.changes() == {
        "platform_revenue": 200, "provider_cost": 200, "provider_payable": 250, "overrun_loss": 50,
    }  # fmt: skip
    assert money.broken_rules() == {}


def test_an_own_credential_that_is_not_paid_for_is_nobodys_loss_but_the_creators(
    payer: Organization, creator: Organization
) -> None:
    books = money.Books()
    money.hold(payer, 900)
    id = money.hold(payer, 100, creator=creator, terms=money.OWN_KEY)

    settled = money.settle(id, cost=250, markup=80, fee=20, platform_credential=False)

    assert settled == ledger.Settled(charged_nanos=100, loss_nanos=0)
    assert books.changes() == {"platform_revenue": 20, "creator_earnings": 80}


def test_a_late_settlement_is_bounded_by_the_hold_that_expired(payer: Organization, creator: Organization) -> None:
    books = money.Books()
    id = money.hold(payer, 100, creator=creator)
    money.expire(id)
    money.sweep()

    settled = money.settle(id, cost=20, markup=500, fee=30)

    assert settled == ledger.Settled(charged_nanos=100, loss_nanos=0)
    assert ledger.balance(payer.id) == ledger.Balance(posted=900, held=0, available=900)
    assert books.changes() == {
        "platform_revenue": 50, "creator_earnings": 50, "provider_cost": 20, "provider_payable": 20,
    }  # fmt: skip
    assert money.broken_rules() == {}
