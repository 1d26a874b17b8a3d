"""A seeded random walk over the ledger's functions, beside a model of the books that is plain enough to be believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg

from billing.operations import CHECKPOINT, EXTEND, HOLD, RELEASE, SETTLE, Operation

INVARIANTS = Path("billing/sql/invariants.sql").read_text()
ENDS = ("finished", "failed", "disconnected")


@dataclass
class Wallet:
    posted: int = 0
    pending: int = 0
    earned: int = 0
    frozen: bool = False

    @property
    def available(self) -> int:
        return self.posted - self.pending


@dataclass
class Reservation:
    payer: UUID
    creator: UUID | None
    platform: bool
    amount: int
    state: str = "open"
    accrued: tuple[int, int, int] = (0, 0, 0)
    result: tuple[int, int] = (0, 0)


@dataclass
class Walk:
    """Takes random steps on the database at `url` and on the model; a difference is an AssertionError."""

    url: str
    seed: int
    wallets: dict[UUID, Wallet] = field(default_factory=dict)
    holds: dict[UUID, Reservation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = Random(self.seed)

    def walk(self, steps: int) -> None:
        """Three organizations, and so many steps, each followed by a look at all the books."""
        with psycopg.connect(self.url, autocommit=True) as self.database:
            for _ in range(3):
                id = self._id()
                self.wallets[id] = Wallet()
                self.database.execute(
                    "INSERT INTO tenants_organization (id, slug, name, status, created_at)"
                    " VALUES (%s, %s, 'W', 'active', now())",
                    (id, f"walk-{id.hex}"),
                )
            kinds = [
                self.top_up,
                self.hold,
                self.hold,
                self.hold,
                self.extend,
                self.checkpoint,
                self.settle,
                self.settle,
            ]
            kinds += [self.release, self.sweep, self.freeze, self.extend, self.checkpoint]
            for _ in range(steps):
                self.dice.choice(kinds)()
                self._compare()

    def top_up(self) -> None:
        payer, id = self._payer(), self._id()
        amount = self.dice.randint(1, 700)
        for _ in range(self.dice.choice((1, 1, 2))):
            row = self.database.execute(
                "SELECT billing_announce_top_up(%s, %s, %s, 'manual', 'walk', 'walk', %s)", (id, payer, amount, amount)
            ).fetchone()
            assert row == ("credited",)
        self.wallets[payer].posted += amount

    def hold(self) -> None:
        rows: list[tuple[Any, ...]] = []
        expected: list[tuple[str, bool]] = []
        usual = self._payer()
        for _ in range(self.dice.randint(1, 5)):
            if self.holds and self.dice.random() < 0.1:
                id, payer, amount = self.dice.choice([(i, h.payer, h.amount) for i, h in self.holds.items()])
            else:
                payer = self._payer() if self.dice.random() < 0.3 else usual
                id, amount = self._id(), self._amount(payer, 300)
            creator = self.dice.choice([*self.wallets, None])
            platform = self.dice.random() < 0.6
            rows.append(
                (id, payer, id, amount, "run", "r", None, None, creator, None, platform, None, 60, None, "", None)
            )
            expected.append(self._held(id, Reservation(payer, creator, platform, amount)))
        assert [(row[1], row[2]) for row in self._call(HOLD, rows)] == expected

    def _held(self, id: UUID, asked: Reservation) -> tuple[str, bool]:
        wallet = self.wallets[asked.payer]
        if id in self.holds:
            return "held", True
        if asked.amount == 0:
            self.holds[id] = asked
            asked.state = "free"
            return "held", False
        if wallet.frozen:
            return "frozen", True
        if asked.amount > wallet.available:
            return "insufficient", True
        wallet.pending += asked.amount
        self.holds[id] = asked
        return "held", False

    def extend(self) -> None:
        rows, expected = [], []
        for id in [*self._some("open"), *self._some("settled", "expired")[:1]]:
            held = self.holds[id]
            amount = max(held.amount + self._amount(held.payer, 200) - self.dice.choice((0, 0, 50)), 1)
            growth, wallet = amount - held.amount, self.wallets[held.payer]
            rows.append((id, amount))
            if held.state != "open":
                expected.append("closed")
            elif growth <= 0:
                expected.append("extended")
            elif wallet.frozen:
                expected.append("frozen")
            elif growth > wallet.available:
                expected.append("insufficient")
            else:
                held.amount, wallet.pending = amount, wallet.pending + growth
                expected.append("extended")
        assert [row[1] for row in self._call(EXTEND, rows)] == expected

    def checkpoint(self) -> None:
        rows = []
        for id in [*self._some("open"), *self._some("settled")[:1]]:
            held = self.holds[id]
            spent = (self.dice.randint(0, 150), self.dice.randint(0, 100), self.dice.randint(0, 50))
            rows.append((id, *spent, 60))
            if held.state == "open":
                most = [max(pair) for pair in zip(held.accrued, spent, strict=True)]
                held.accrued = (most[0], most[1], most[2])
        self._call(CHECKPOINT, rows)

    def settle(self) -> None:
        rows: list[tuple[Any, ...]] = []
        asked: dict[UUID, tuple[int, int, int, bool]] = {}
        ids = [*self._some("open", "expired"), *self._some("settled", "late", "released", "free", "ended")[:1]]
        if self.dice.random() < 0.3:  # everything one wallet pays for, at once
            payer = self._payer()
            ids = [id for id, held in self.holds.items() if held.payer == payer and held.state == "open"]
        for id in [*ids, *ids[:1]]:
            platform = self.holds[id].platform if self.dice.random() < 0.9 else not self.holds[id].platform
            parts = (self.dice.randint(0, 500), self.dice.randint(0, 300), self.dice.randint(0, 60))
            rows.append((id, *parts, platform, "provider", self.dice.choice(ENDS), "stop", None))
            asked.setdefault(id, (*parts, platform))
        self._settled(asked)
        expected = [
            ("released", 0, 0) if held.state == "released" else ("settled", *held.result)
            for held in (self.holds[row[0]] for row in rows)
        ]
        assert [row[1:] for row in self._call(SETTLE, rows)] == expected

    def _settled(self, asked: Mapping[UUID, tuple[int, int, int, bool]]) -> None:
        beyond = {id: wallet.available for id, wallet in self.wallets.items()}
        for id, (cost, markup, fee, platform) in asked.items():
            held = self.holds[id]
            if held.state == "free":
                held.state, held.result = "ended", (0, cost if platform else 0)
            if held.state not in ("open", "expired"):
                continue
            creator_due, platform_due = shares(held, cost, markup, fee, platform=platform)
            reserved = held.amount if held.state == "open" else 0
            own_cost = cost if platform else 0
            price = max(min(creator_due + platform_due, held.amount), own_cost)
            overrun = min(max(price - reserved, 0), beyond[held.payer])
            beyond[held.payer] -= overrun
            paid = min(price, reserved + overrun)
            platform_share = min(platform_due, paid)
            creator_share = paid - platform_share
            self.wallets[held.payer].pending -= reserved
            self.wallets[held.payer].posted -= creator_share + platform_share
            if held.creator:
                self.wallets[held.creator].earned += creator_share
            held.result = (creator_share + platform_share, max(cost - platform_share, 0) if platform else 0)
            held.state = "settled" if reserved else "late"

    def release(self) -> None:
        ids = [*self._some("open")[:1], *self._some("expired", "settled", "late", "free")[:2]]
        expected = []
        for id in ids:
            held = self.holds[id]
            if held.state == "open":
                self.wallets[held.payer].pending -= held.amount
                held.state = "released"
            elif held.state == "free":
                held.state = "ended"
            expected.append("closed" if held.state in ("settled", "late") else "released")
        answers = self._call(RELEASE, [(id, "failed") for id in ids])
        assert [row[1] for row in answers] == expected

    def sweep(self) -> None:
        ids = sorted(self._some("open"))
        self.database.execute(
            "UPDATE billing_hold SET expires_at = now() - interval '1 second' WHERE id = ANY (%s)", (ids,)
        )
        spent = {id: (*self.holds[id].accrued, self.holds[id].platform) for id in ids if any(self.holds[id].accrued)}
        self._settled(spent)
        for id in set(ids) - set(spent):
            self.wallets[self.holds[id].payer].pending -= self.holds[id].amount
            self.holds[id].state = "expired"
        row = self.database.execute("SELECT billing_sweep(500)").fetchone()
        assert row is not None
        assert row[0] >= len(ids)

    def freeze(self) -> None:
        payer = self._payer()
        frozen = self.wallets[payer].frozen = self.dice.random() < 0.5
        self.database.execute(
            "UPDATE billing_account SET status = %s WHERE organization_id = %s AND kind = 'wallet'",
            ("frozen" if frozen else "open", payer),
        )
        self.extend()

    def _compare(self) -> None:
        found = {
            organization: (posted, pending, earned)
            for organization, posted, pending, earned in self.database.execute(
                """
                SELECT w.organization_id, w.credits_posted - w.debits_posted, w.debits_pending,
                    coalesce((SELECT sum(t.amount) FROM billing_transfer t WHERE t.credit_id = e.id), 0)
                FROM billing_account w
                JOIN billing_account e ON e.organization_id = w.organization_id AND e.kind = 'creator_earnings'
                WHERE w.kind = 'wallet' AND w.organization_id = ANY (%s)
                """,
                (list(self.wallets),),
            )
        }
        assert found == {id: (wallet.posted, wallet.pending, wallet.earned) for id, wallet in self.wallets.items()}
        states = {"ended": None, "free": None}
        rows = self.database.execute("SELECT id, state FROM billing_hold WHERE id = ANY (%s)", (list(self.holds),))
        assert dict(rows.fetchall()) == {id: held.state for id, held in self.holds.items() if held.state not in states}
        broken = [name for name, count in self.database.execute(INVARIANTS) if count]
        assert broken == []

    def _call(self, operation: Operation, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if not rows:
            return []
        columns = [list(column) for column in zip(*rows, strict=True)]
        return self.database.execute(operation.statement, columns).fetchall()

    def _some(self, *states: str) -> list[UUID]:
        fitting = [id for id, held in self.holds.items() if held.state in states]
        return self.dice.sample(fitting, min(len(fitting), self.dice.randint(1, 4)))

    def _payer(self) -> UUID:
        return self.dice.choice(list(self.wallets))

    def _amount(self, payer: UUID, most: int) -> int:
        """Nothing, something, or what takes a wallet to its edge and one step beyond."""
        available = self.wallets[payer].available
        return self.dice.choice((0, self.dice.randint(1, most), self.dice.randint(1, most), available, available + 1))

    def _id(self) -> UUID:
        return UUID(int=self.dice.getrandbits(128), version=4)


def shares(held: Reservation, cost: int, markup: int, fee: int, *, platform: bool) -> tuple[int, int]:
    """What the creator and the platform are due, by the rules a tenant is told."""
    if held.creator is None:
        return 0, fee + (cost + markup if platform else 0)
    if platform:
        return markup, cost + fee
    if held.creator == held.payer:
        return 0, fee
    return cost + markup, fee
