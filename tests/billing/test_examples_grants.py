"""Grants worked through: what is spent of which, and what is left when their time is over."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.utils import timezone

from billing import adjustments, grants, ledger
from billing.errors import MovementConflict, MovementRefused, NoWallet
from billing.models import Grant
from tenants.models import Organization
from tests import make
from tests.billing import money
from tests.billing.bookkeeping import Journal

DOLLAR = 10**9


@pytest.fixture
def journal(acme: Organization, database_urls: Mapping[str, str]) -> Journal:
    return Journal(database_urls, acme=acme)


def give(
    organization: Organization, amount: int, *, id: UUID | None = None, days: int | None = None, **how: Any
) -> UUID:
    id = id or uuid4()
    expires_at = None if days is None else timezone.now() + timedelta(days=days)
    what: dict[str, Any] = {
        "source": "promo",
        "reason": "welcome",
        "actor": "ann@example.test",
        "expires_at": expires_at,
        **how,
    }
    grants.give(id=id, organization_id=organization.id, amount_nanos=amount, **what)
    return id


def pass_time(journal: Journal, *ids: UUID) -> None:
    """Let the time of these grants be over, as if days had passed."""
    with psycopg.connect(journal.url, autocommit=True) as database:
        database.execute("SET session_replication_role = replica")  # the row is history to everybody else
        database.execute(
            "UPDATE billing_grant SET expires_at = now() - interval '1 second' WHERE id = ANY (%s)", (list(ids),)
        )


def left(*ids: UUID) -> list[int]:
    grants.attribute_spending()
    with money.everything():
        return [Grant.objects.get(pk=id).remaining for id in ids]


def spend(organization: Organization, amount: int) -> None:
    money.settle(money.hold(organization, amount), markup=amount)


def test_an_expiring_grant(acme: Organization, journal: Journal) -> None:
    """Acme paid in 50 and was given 100 for a while. It spends 30; the rest of the grant expires, the 50 do not."""
    make.wallet(acme, 50)
    assert journal.posted() == {"acme: wallet": 50, "platform: external_clearing": 50}
    gift = give(acme, 100, days=30)
    assert journal.posted() == {"acme: wallet": 100, "platform: promo_expense": 100}
    spend(acme, 30)
    assert journal.posted() == {"acme: wallet": -30, "platform: platform_revenue": 30}
    assert left(gift) == [70]
    assert grants.expire_due() == 0

    pass_time(journal, gift)

    assert grants.expire_due() == 1
    assert journal.posted() == {"acme: wallet": -70, "platform: promo_expense": -70}
    assert ledger.balance(acme.id).available == 50
    assert left(gift) == [0]
    assert grants.expire_due() == 0
    assert journal.posted() == {}


def test_credit_that_was_paid_for_becomes_income_when_it_expires(acme: Organization, journal: Journal) -> None:
    gift = give(acme, 100, days=1, cost_basis="paid", source="plan")
    journal.posted()
    pass_time(journal, gift)

    grants.expire_due()

    assert journal.posted() == {"acme: wallet": -100, "platform: breakage_income": 100}


def test_without_a_word_about_it_credit_never_expires(acme: Organization) -> None:
    gift = give(acme, 100, cost_basis="paid", source="plan")

    grants.expire_due()

    assert left(gift) == [100]


def test_f55_a_grant_expires_mid_stream(acme: Organization, journal: Journal) -> None:
    """A run is under way when the time is over: what it reserved it may still spend of the grant, the rest goes."""
    make.wallet(acme, 50)
    gift = give(acme, 100, days=1)
    run = money.hold(acme, 60)
    journal.posted()
    pass_time(journal, gift)

    grants.expire_due()

    assert journal.posted() == {"acme: wallet": -40, "platform: promo_expense": -40}
    assert ledger.balance(acme.id) == ledger.Balance(posted=110, held=60, available=50)
    make.wallet(acme, 7)  # money that comes in between is never taken for the grant
    journal.posted()
    grants.expire_due()
    assert journal.posted() == {}

    money.settle(run, markup=45)
    assert journal.posted() == {"acme: wallet": -45, "platform: platform_revenue": 45}
    grants.expire_due()

    assert journal.posted() == {"acme: wallet": -15, "platform: promo_expense": -15}
    assert ledger.balance(acme.id).available == 57
    assert left(gift) == [0]


def test_what_a_run_gives_back_after_the_time_is_over_expires(acme: Organization, journal: Journal) -> None:
    gift = give(acme, 100, days=1)
    run = money.hold(acme, 100)
    pass_time(journal, gift)
    grants.expire_due()
    assert left(gift) == [100]

    money.release(run)
    grants.expire_due()

    assert ledger.balance(acme.id).available == 0


def test_grants_are_spent_in_their_order(acme: Organization) -> None:
    make.wallet(acme, 1_000)
    last = give(acme, 10)
    same_day = timezone.now() + timedelta(days=5)
    paid = give(acme, 10, expires_at=same_day, cost_basis="paid")
    soon = give(acme, 10, expires_at=same_day)
    first = give(acme, 10, days=90, priority=1)
    steps = []

    for amount in (5, 10, 10, 10, 10):
        spend(acme, amount)
        steps.append(left(first, soon, paid, last))

    assert steps == [[5, 10, 10, 10], [0, 5, 10, 10], [0, 0, 5, 10], [0, 0, 0, 5], [0, 0, 0, 0]]
    with money.everything():
        assert {grant.pk for grant in grants.grants_of(acme.id)} == {first, soon, paid, last}
        assert next(iter(grants.grants_of(acme.id))).pk == first


def test_what_was_spent_before_a_grant_was_not_spent_of_it(acme: Organization) -> None:
    make.wallet(acme, 1_000)
    spend(acme, 400)
    gift = give(acme, 10)

    assert left(gift) == [10]


def test_the_same_grant_is_given_once(acme: Organization, journal: Journal) -> None:
    id = uuid4()
    for _ in range(2):
        give(acme, 100, id=id)

    assert journal.posted() == {"acme: wallet": 100, "platform: promo_expense": 100}
    with pytest.raises(MovementConflict):
        give(acme, 101, id=id)


def test_above_the_limit_a_second_person_approves_credit(acme: Organization, journal: Journal) -> None:
    id = give(acme, 101 * DOLLAR)
    assert journal.posted() == {}
    with pytest.raises(MovementRefused):
        grants.decide(id=id, approve=True, actor="ann@example.test")

    assert grants.decide(id=id, approve=True, actor="bob@example.test") == "given"
    assert grants.decide(id=id, approve=False, actor="cid@example.test") == "given"

    assert journal.posted() == {"acme: wallet": 101 * DOLLAR, "platform: promo_expense": 101 * DOLLAR}


def test_a_grant_needs_a_wallet_a_reason_and_time(acme: Organization) -> None:
    with pytest.raises(NoWallet):
        give(Organization(id=uuid4()), 5)
    with pytest.raises(MovementRefused):
        give(acme, 5, reason="")
    with pytest.raises(MovementRefused) as late:
        give(acme, 5, days=-1)
    assert late.value.outcome == "expired"


def test_a_grant_taken_back_is_gone_for_good(acme: Organization, journal: Journal) -> None:
    make.wallet(acme, 50)
    gift = give(acme, 100)
    spend(acme, 30)
    journal.posted()
    with money.everything():
        group = Grant.objects.get(pk=gift).group_id
    assert group is not None

    adjustments.reverse(id=uuid4(), group_id=group, reason="given twice", ticket="T-9", actor="ann@example.test")

    assert journal.posted() == {"acme: wallet": -100, "platform: promo_expense": -100}
    assert left(gift) == [0]
