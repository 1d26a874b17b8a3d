"""What must always hold is looked at, kept and acted upon: each rule is broken here from above all rules, and found."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connections

from billing import reconcile
from billing.errors import WalletFrozen
from billing.invariants import NUMBERS, QUICK
from billing.models import Account
from tenants.models import AuditEvent, Organization
from tests import make
from tests.billing import figures, money

CHECK = "account_no_overdraft"
BREAKS = {
    "no wallet is overdrawn": "UPDATE billing_account SET debits_posted = credits_posted + 1 WHERE id = %(wallet)s",
    "wallet totals are the sums of their transfers": (
        "UPDATE billing_account SET credits_posted = credits_posted + 1 WHERE id = %(wallet)s"
    ),
    "pending is the sum of open holds": (
        "UPDATE billing_account SET debits_pending = debits_pending + 1 WHERE id = %(wallet)s"
    ),
    "a hold is settled if and only if it has a settlement": (
        "UPDATE billing_hold SET state = 'released' WHERE id = %(hold)s"
    ),
    "a settlement took from the wallet what it charged": (
        "UPDATE billing_settlement SET charged = charged + 1, platform_share = platform_share + 1, fee = fee + 1"
        " WHERE hold_id = %(hold)s"
    ),
    "the provider is owed what its work cost": "UPDATE billing_settlement SET cost = cost + 1 WHERE hold_id = %(hold)s",
    "a charge stays within the hold and what the wallet gave beyond": (
        "UPDATE billing_settlement SET reserved = reserved + 1 WHERE hold_id = %(hold)s"
    ),
    "no group of transfers is empty": "DELETE FROM billing_transfer WHERE group_id = %(group)s",
    "no open hold has outlived its time": (
        "UPDATE billing_hold SET expires_at = now() - interval '3 minutes' WHERE id = %(open)s"
    ),
    "charges end when their holds do": (
        "UPDATE billing_charge SET status = 'authorized', finished_at = NULL WHERE id = %(hold)s"
    ),
    "transfers name the organizations of their accounts": (
        "UPDATE billing_transfer SET debit_organization_id = NULL WHERE group_id = %(group)s"
        " AND debit_organization_id IS NOT NULL"
    ),
    "every top-up credited its wallet": (
        "UPDATE billing_topup SET amount = amount + 1 WHERE organization_id = %(payer)s"
    ),
    "what a payment cost is booked as the gateway said": (
        "UPDATE billing_topup SET fee = 1, fee_group_id = group_id WHERE organization_id = %(payer)s"
    ),
    "figures by the hour are the ledger's": (
        "UPDATE billing_usagehour SET calls = calls + 1 WHERE organization_id = %(payer)s"
    ),
    "seals are unbroken": "UPDATE billing_transfergroup SET memo = 'forged' WHERE id = %(group)s",
    "suspense is empty": (
        "INSERT INTO billing_transfer (group_id, line, debit_id, credit_id, amount) SELECT %(group)s, 99, d.id, c.id, 1"
        " FROM billing_account d, billing_account c WHERE d.code = 'platform:rounding' AND c.code = 'platform:suspense'"
    ),
}


@pytest.fixture
def things(acme: Organization) -> dict[str, Any]:
    """Acme's wallet, a hold that was settled, its group of transfers, and one that is open; all read and sealed."""
    settled = money.hold(make.wallet(acme, 10_000), 500)
    money.settle(settled, cost=100)
    still_open = money.hold(acme, 300)
    figures.caught_up()
    figures.sealed()
    with money.everything(), connections["platform"].cursor() as cursor:
        cursor.execute("SELECT id FROM billing_transfergroup WHERE hold_id = %s", (settled,))
        (group,) = cursor.fetchone()
        wallet = Account.objects.get(organization=acme, kind="wallet").id
    return {"wallet": wallet, "hold": settled, "open": still_open, "group": group, "payer": acme.id}


@contextmanager
def broken(urls: Mapping[str, str], statement: str, values: dict[str, Any]) -> Generator[None]:
    """The books with this change in them, which no path of the product could make; put right again afterwards."""
    tables = (
        *("account", "hold", "charge", "settlement", "transfer", "transfergroup", "topup"),
        *("usagehour", "journalhour", "watermark", "seal"),
    )
    with psycopg.connect(money.superuser(urls), autocommit=True) as session:
        session.execute("SET session_replication_role = replica")
        row = session.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", (CHECK,)
        ).fetchone()
        assert row is not None
        session.execute(f"ALTER TABLE billing_account DROP CONSTRAINT {CHECK}")
        for table in tables:
            session.execute(f"CREATE TEMP TABLE kept_{table} AS TABLE billing_{table}")
        changed = session.execute(statement.encode(), values).rowcount
        try:
            assert changed >= 1
            yield
        finally:
            for table in tables:
                session.execute(f"DELETE FROM billing_{table}")
                session.execute(f"INSERT INTO billing_{table} SELECT * FROM kept_{table}")
            session.execute(f"ALTER TABLE billing_account ADD CONSTRAINT {CHECK} {row[0]}")


def frozen() -> set[int]:
    with money.everything():
        return set(Account.objects.filter(status="frozen").values_list("id", flat=True))


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_found(name: str, things: dict[str, Any], database_urls: Mapping[str, str]) -> None:
    before = reconcile.check_invariants(is_full=True)

    with broken(database_urls, BREAKS[name], things):
        found = reconcile.check_invariants(is_full=True)
        kept = reconcile.last_look()

    assert found[name] > before[name]
    assert kept.violations[name] == found[name]


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_look_finds_what_it_looks_at(
    name: str, things: dict[str, Any], database_urls: Mapping[str, str]
) -> None:
    before = reconcile.check_invariants(is_full=False)

    with broken(database_urls, BREAKS[name], things):
        found = reconcile.check_invariants(is_full=False)

    assert set(found) == set(QUICK)
    assert found[name] == before[name] + 1


@pytest.mark.parametrize(
    ("name", "is_full"),
    [
        ("no wallet is overdrawn", False),
        ("pending is the sum of open holds", False),
        ("wallet totals are the sums of their transfers", True),
    ],
)
def test_a_wallet_in_doubt_reserves_no_more_and_no_other_is_stopped(
    name: str, is_full: bool, things: dict[str, Any], globex: Organization, database_urls: Mapping[str, str]
) -> None:
    acme, before = Organization(id=things["payer"]), frozen()
    with broken(database_urls, BREAKS[name], things):
        reconcile.check_invariants(is_full=is_full)

        with pytest.raises(WalletFrozen):
            money.hold(acme, 1)
        money.hold(make.wallet(globex, 100), 1)
        with money.everything():
            events = AuditEvent.objects.filter(organization_id=acme.id, action="wallet.frozen").count()
        stopped = frozen() - before
    assert events == 1
    assert stopped == {things["wallet"]}


def test_books_that_hold_stop_nobody(things: dict[str, Any]) -> None:
    before = frozen()

    reconcile.check_invariants(is_full=True)

    assert frozen() == before


def test_a_later_quick_look_stands_beside_the_full_one(things: dict[str, Any]) -> None:
    everything = reconcile.check_invariants(is_full=True)
    quick = reconcile.check_invariants(is_full=False)

    assert reconcile.last_look().violations == {**everything, **quick}


def test_every_number_belongs_to_something_that_is_looked_at(database: None) -> None:
    assert set(NUMBERS) <= set(reconcile.check_invariants(is_full=True))
