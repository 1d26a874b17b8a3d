"""The order in which grants are spent, beside an implementation that is slow and obvious: a nanodollar at a time."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import psycopg
import pytest

from tests import make
from tests.billing import money

SOON = datetime.now(UTC) + timedelta(days=9)


@dataclass
class Lot:
    id: UUID
    amount: int
    priority: int
    expires_at: datetime | None
    is_paid: bool
    number: int
    spent: int = 0

    @property
    def rank(self) -> tuple[int, bool, datetime, bool, int]:
        never = self.expires_at is None
        return self.priority, never, self.expires_at or SOON, self.is_paid, self.number


class Wallet:
    """The same steps on the database and on a list of lots."""

    def __init__(self, database: psycopg.Connection[tuple[object, ...]], organization: UUID, dice: Random) -> None:
        self.database, self.organization, self.dice = database, organization, dice
        self.lots: list[Lot] = []
        self.unspent = 0
        ids = "SELECT id FROM billing_account WHERE organization_id = %s AND kind = 'wallet'"
        (self.account,) = database.execute(ids.encode(), (organization,)).fetchone() or (None,)

    def give(self) -> None:
        moment = self.dice.choice([None, SOON, SOON + timedelta(hours=self.dice.randint(1, 3))])
        self.lay(self.dice.randint(1, 12), self.dice.randint(1, 3), moment, is_paid=self.dice.random() < 0.4)

    def lay(self, amount: int, priority: int, moment: datetime | None, *, is_paid: bool) -> None:
        lot = Lot(uuid4(), amount, priority, moment, is_paid, len(self.lots))
        self.database.execute(
            "SELECT billing_give(%s, %s, 'promo', %s, %s, %s, %s, 'test', 'test', 1000)",
            (lot.id, self.organization, lot.amount, "paid" if lot.is_paid else "zero", lot.priority, lot.expires_at),
        )
        self.lots.append(lot)
        self.unspent += lot.amount

    def top_up(self) -> None:
        amount = self.dice.randint(1, 12)
        self.database.execute(
            "SELECT billing_announce_top_up(%s, %s, %s, 'manual', 'test', 'test', %s)",
            (uuid4(), self.organization, amount, amount),
        )
        self.unspent += amount

    def spend(self) -> None:
        if not self.unspent:
            return
        self.take(self.dice.randint(1, min(self.unspent, 20)))

    def take(self, amount: int) -> None:
        self.database.execute(
            "SELECT billing_adjust(%s, 'adjustment', %s, billing_platform_account('rounding'), NULL, %s, 't',"
            " 't', 't', 99)",
            (uuid4(), self.account, amount),
        )
        self.unspent -= amount
        for _ in range(amount):
            alive = [lot for lot in self.lots if lot.spent < lot.amount]
            if alive:
                min(alive, key=lambda lot: lot.rank).spent += 1

    def expire(self) -> None:
        alive = [lot for lot in self.lots if lot.spent < lot.amount and lot.expires_at]
        if not alive:
            return
        lot = self.dice.choice(alive)
        self.used()  # what was spent so far was so while the lot was as old as it was
        self.database.execute("SET session_replication_role = replica")
        self.database.execute("UPDATE billing_grant SET expires_at = now() WHERE id = %s", (lot.id,))
        self.database.execute("SET session_replication_role = origin")
        row = self.database.execute("SELECT billing_expire_grant(%s)", (lot.id,)).fetchone()
        assert row == (lot.amount - lot.spent,)
        self.unspent -= lot.amount - lot.spent
        lot.spent = lot.amount

    def attribute(self) -> None:
        self.database.execute("SELECT billing_attribute(%s, %s)", (self.organization, self.dice.randint(1, 5)))

    def used(self) -> dict[UUID, int]:
        self.database.execute("SELECT billing_attribute(%s, 100000)", (self.organization,))
        rows = self.database.execute(
            "SELECT id, used FROM billing_grant WHERE organization_id = %s", (self.organization,)
        )
        return {id: used for id, used in rows.fetchall() if isinstance(id, UUID) and isinstance(used, int)}


def walk(urls: Mapping[str, str], seed: int, *, steps: int) -> None:
    """So many random steps; what was spent of each lot is what the slow way says."""
    organization = make.organization()
    with psycopg.connect(money.superuser(urls), autocommit=True) as database:
        wallet = Wallet(database, organization.id, Random(seed))
        steps_of = [
            wallet.give,
            wallet.give,
            wallet.spend,
            wallet.spend,
            wallet.top_up,
            wallet.attribute,
            wallet.expire,
        ]
        for _ in range(steps):
            wallet.dice.choice(steps_of)()
        assert wallet.used() == {lot.id: lot.spent for lot in wallet.lots}


def test_pt9_what_was_given_for_free_is_spent_before_what_was_paid_for(database_urls: Mapping[str, str]) -> None:
    organization = make.organization()
    with psycopg.connect(money.superuser(database_urls), autocommit=True) as database:
        wallet = Wallet(database, organization.id, Random(0))
        wallet.lay(5, 1, None, is_paid=True)
        wallet.lay(5, 1, None, is_paid=False)
        wallet.take(5)

        paid, free = wallet.lots
        assert wallet.used() == {paid.id: 0, free.id: 5}


@pytest.mark.parametrize("seed", range(6))
def test_pt9_grants_are_spent_in_the_order_of_the_slow_way(seed: int, database_urls: Mapping[str, str]) -> None:
    walk(database_urls, seed, steps=60)

    assert money.broken_rules() == {}


@pytest.mark.prove
def test_pt9_so_are_ten_thousand_lots(database_urls: Mapping[str, str]) -> None:
    for seed in range(1_000, 1_000 + int(os.environ.get("ROBUTLER_LOT_WALKS", "120"))):
        walk(database_urls, seed, steps=300)
