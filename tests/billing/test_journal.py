"""Posting: one group per key, whole or not at all, and nobody but the ledger's own functions may do it."""

from collections.abc import Generator, Mapping
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from billing.models import Account
from tenants.models import Organization
from tests.billing import money

POST = "SELECT billing_post(%s, 'grant', %s, 'somebody', 'welcome', NULL, %s::bigint[], %s::bigint[], %s::bigint[])"


@pytest.fixture
def ledger(database_urls: Mapping[str, str], acme: Organization) -> Generator[psycopg.Connection[tuple[Any, ...]]]:
    """Somebody who may do what the ledger's functions do."""
    with money.connect(money.superuser(database_urls)) as connection:
        yield connection


def account(kind: str, owner: Organization | None = None) -> int:
    with money.everything():
        return Account.objects.get(kind=kind, organization=owner).pk


def test_a_group_is_posted_once_per_key(ledger: psycopg.Connection[tuple[Any, ...]], acme: Organization) -> None:
    expense, wallet, key = account("promo_expense"), account("wallet", acme), str(uuid4())
    asked = (key, acme.id, [expense, expense], [wallet, wallet], [700, 0])
    balances = "SELECT billing_balance(%s), billing_balance(%s)"
    (given, had) = ledger.execute(balances, (expense, wallet)).fetchone() or (0, 0)

    first, second = (ledger.execute(POST, asked).fetchone() for _ in range(2))

    assert first is not None
    assert first[0] is not None
    assert second == (None,)
    lines = ledger.execute("SELECT line, amount FROM billing_transfer WHERE group_id = %s", first).fetchall()
    assert lines == [(1, 700)]
    assert ledger.execute(balances, (expense, wallet)).fetchone() == (given + 700, had + 700)
    assert money.broken_rules() == {}


@pytest.mark.parametrize(("debit", "amount"), [("promo_expense", 0), (None, 5)])
def test_a_group_that_moves_nothing_or_to_nowhere_is_refused(
    ledger: psycopg.Connection[tuple[Any, ...]], acme: Organization, debit: str | None, amount: int
) -> None:
    from_account = account(debit) if debit else -1

    with pytest.raises(psycopg.errors.RestrictViolation):
        ledger.execute(POST, (str(uuid4()), acme.id, [from_account], [account("wallet", acme)], [amount]))


def test_an_account_is_made_when_it_is_first_asked_for(
    ledger: psycopg.Connection[tuple[Any, ...]], acme: Organization
) -> None:
    ask = "SELECT billing_account_of(%s, 'creator_clawback')"

    made, found = (ledger.execute(ask, (acme.id,)).fetchone() for _ in range(2))

    assert made == found == (account("creator_clawback", acme),)


@pytest.mark.parametrize("role", ["app", "platform"])
def test_nobody_else_posts(role: str, database_urls: Mapping[str, str], acme: Organization) -> None:
    with money.connect(database_urls[role]) as other, pytest.raises(psycopg.errors.InsufficientPrivilege):
        other.execute(POST, (str(uuid4()), acme.id, [1], [2], [3]))
