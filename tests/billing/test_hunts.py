"""Many clients at once, for a while: every snapshot has all the money, a hold one end, and nobody waits in a circle."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from billing.operations import CHECKPOINT, EXTEND, HOLD, RELEASE, SETTLE, Operation
from tests import make
from tests.billing import money
from tests.billing.walk_of_runs import bill

Database = psycopg.Connection[tuple[Any, ...]]
SLOWEST_S = 5.0
HUNT_S = float(os.environ.get("HUNT_SECONDS", "600"))
FOR_LONG = [pytest.mark.prove, pytest.mark.timeout(3600)]


def ask(database: Database, function: str, *values: Any) -> Any:
    marks = ", ".join(["%s"] * len(values))
    return (database.execute(f"SELECT {function}({marks})".encode(), values).fetchone() or (None,))[0]


def call(database: Database, operation: Operation, *rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return database.execute(operation.statement, columns).fetchall()


def row(
    id: UUID, payer: UUID, amount: int, *, parent: UUID | None = None, creator: UUID | None = None
) -> tuple[Any, ...]:
    return (id, payer, id, amount, "run", "r", parent, None, creator, None, True, None, 60, None, "", None)


def end(id: UUID, cost: int) -> tuple[Any, ...]:
    return (id, cost, 2, 1, True, "provider", "finished", "stop", bill(cost, 2, 1))


def wallet(database: Database, organization: UUID) -> int:
    found = database.execute(
        "SELECT id FROM billing_account WHERE organization_id = %s AND kind = 'wallet'", (organization,)
    ).fetchone()
    assert found is not None
    return int(found[0])


def at_once(urls: Mapping[str, str], clients: list[Callable[[Database], Any]]) -> list[Any]:
    """What each client says, on a connection of its own; whatever one of them raises is raised."""

    def run(client: Callable[[Database], Any]) -> Any:
        with money.connect(money.superuser(urls)) as database:
            return client(database)

    with ThreadPoolExecutor(len(clients)) as threads:
        return list(threads.map(run, clients))


@pytest.mark.parametrize(
    ("accounts", "clients", "readers", "seconds"), [(10, 6, 2, 2), pytest.param(50, 32, 10, 60, marks=FOR_LONG)]
)
def test_c01_every_snapshot_has_all_the_money(
    accounts: int, clients: int, readers: int, seconds: int, database_urls: Mapping[str, str]
) -> None:
    payers = [make.wallet(make.organization(), 1_000).id for _ in range(accounts)]
    with money.connect(money.superuser(database_urls)) as database:
        wallets = [wallet(database, payer) for payer in payers]
    until = time.monotonic() + seconds

    def move(seed: int) -> Callable[[Database], int]:
        def client(database: Database) -> int:
            dice, moved = Random(seed), 0
            while time.monotonic() < until:
                debit, credit = dice.sample(wallets, 2)
                values = (uuid4(), "adjustment", debit, credit, None, dice.randint(1, 400), "r", "t", "ada", 10**6)
                moved += ask(database, "billing_adjust", *values) == "made"
            return moved

        return client

    def read(database: Database) -> int:
        looks = 0
        database.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        while time.monotonic() < until:
            with database.transaction():
                totals = "SELECT sum(credits_posted - debits_posted), min(credits_posted - debits_posted)"
                (posted, least) = database.execute(
                    f"{totals} FROM billing_account WHERE id = ANY (%s)".encode(), (wallets,)
                ).fetchone() or (0, 0)
                moved = database.execute(
                    "SELECT sum(CASE WHEN credit_id = ANY (%(of)s) THEN amount ELSE 0 END"
                    " - CASE WHEN debit_id = ANY (%(of)s) THEN amount ELSE 0 END)"
                    " FROM billing_transfer WHERE credit_id = ANY (%(of)s) OR debit_id = ANY (%(of)s)",
                    {"of": wallets},
                ).fetchone()
            assert (posted, moved) == (1_000 * accounts, (1_000 * accounts,))
            assert least >= 0
            looks += 1
        return looks

    done = at_once(database_urls, [move(seed) for seed in range(clients)] + [read] * readers)

    assert min(done) > 0
    assert money.broken_rules() == {}


def uses_of(id: UUID, payer: UUID) -> list[Callable[[Database], Any]]:
    """All that can be done with a hold."""
    return [
        lambda database: call(database, HOLD, row(id, payer, 100)),
        lambda database: call(database, EXTEND, (id, 500)),
        lambda database: call(database, CHECKPOINT, (id, 50, 0, 0, 60)),
        lambda database: call(database, SETTLE, end(id, 70)),
        lambda database: call(database, SETTLE, end(id, 90)),
        lambda database: call(database, RELEASE, (id, "failed")),
        lambda database: ask(database, "billing_sweep", 500),
    ]


@pytest.mark.parametrize("rounds", [3, pytest.param(200, marks=FOR_LONG)])
def test_c03_sixteen_who_use_and_end_one_hold_end_it_once(rounds: int, database_urls: Mapping[str, str]) -> None:
    for turn in range(rounds):
        payer = make.wallet(make.organization(), 1_000).id
        id, dice = uuid4(), Random(turn)
        uses = uses_of(id, payer)
        with money.connect(money.superuser(database_urls)) as database:
            call(database, HOLD, row(id, payer, 100))
            money.expire(id)
            chosen = [uses[n % len(uses)] for n in range(16)]
            dice.shuffle(chosen)

            at_once(database_urls, chosen)

            ends = database.execute("SELECT charged FROM billing_settlement WHERE hold_id = %s", (id,)).fetchall()
            left = database.execute(
                "SELECT credits_posted - debits_posted, debits_pending FROM billing_account WHERE id = %s",
                (wallet(database, payer),),
            ).fetchone()
        assert len(ends) <= 1
        assert left == (1_000 - sum(charged for (charged,) in ends), 0)
    assert money.broken_rules() == {}


@pytest.mark.parametrize("rounds", [2, pytest.param(60, marks=FOR_LONG)])
def test_c04_eight_sweepers_and_runs_that_come_late_close_each_hold_once(
    rounds: int, database_urls: Mapping[str, str]
) -> None:
    for _ in range(rounds):
        payers = [make.wallet(make.organization(), 10_000).id for _ in range(4)]
        ids = [uuid4() for _ in range(40)]
        with money.connect(money.superuser(database_urls)) as database:
            call(database, HOLD, *(row(id, payers[n % 4], 100) for n, id in enumerate(ids)))
            call(database, CHECKPOINT, *((id, 40, 0, 0, 60) for id in ids[::2]))
        money.expire(*ids)

        def sweep(database: Database) -> int:
            return sum(int(ask(database, "billing_sweep", 7)) for _ in range(10))

        def late(part: list[UUID]) -> Callable[[Database], int]:
            return lambda database: sum(call(database, SETTLE, end(id, 60))[0][2] for id in part)

        at_once(database_urls, [sweep] * 8 + [late(ids[n::3]) for n in range(3)])

        with money.connect(money.superuser(database_urls)) as database:
            while ask(database, "billing_sweep", 500):
                pass
            charged = database.execute(
                "SELECT count(*), sum(charged) FROM billing_settlement WHERE hold_id = ANY (%s)", (ids,)
            ).fetchone()
            left = database.execute(
                "SELECT sum(credits_posted - debits_posted), sum(debits_pending) FROM billing_account"
                " WHERE kind = 'wallet' AND organization_id = ANY (%s)", (payers,),
            ).fetchone()  # fmt: skip
        assert charged is not None
        assert charged[0] == len(ids)
        assert left == (40_000 - charged[1], 0)
    assert money.broken_rules() == {}


@dataclass
class Hunt:
    """What clients of a hunt have in common: whom they pay for, and what they have made."""

    payers: list[UUID]
    holds: list[UUID] = field(default_factory=list)
    budgets: list[tuple[UUID, UUID]] = field(default_factory=list)
    adjustments: list[UUID] = field(default_factory=list)
    tokens: list[UUID] = field(default_factory=list)
    slowest: float = 0.0
    said: Counter[str] = field(default_factory=Counter)

    @property
    def outcomes(self) -> str:
        """How often which call was answered how."""
        return ", ".join(f"{what} {times}" for what, times in sorted(self.said.items()))


class Client:
    """Does anything to anybody's money, in any order, until the time is over."""

    def __init__(self, hunt: Hunt, seed: int) -> None:
        self.hunt, self.dice = hunt, Random(seed)

    def __call__(self, database: Database, until: float) -> None:
        ways = [self.hold] * 4 + [self.carve] * 4 + [self.settle] * 5 + [
            self.extend, self.checkpoint, self.release, self.sweep, self.refund, self.give, self.attribute, self.move,
            self.reverse, self.set_budget, self.end_budget, self.pay_in, self.mint, self.end_token, self.charge_back,
        ]  # fmt: skip
        while time.monotonic() < until:
            way, began = self.dice.choice(ways), time.monotonic()
            try:
                said = way(database)
            except psycopg.errors.RestrictViolation:
                said = "refused"
            self.hunt.slowest = max(self.hunt.slowest, time.monotonic() - began)
            self.hunt.said[f"{way.__name__}: {said}"] += 1

    def some(self, most: int = 3) -> list[UUID]:
        known = self.hunt.holds[-60:]
        return self.dice.sample(known, min(len(known), self.dice.randint(1, most)))

    def payer(self) -> UUID:
        return self.dice.choice(self.hunt.payers)

    def hold(self, database: Database) -> str:
        ids = [uuid4() for _ in range(self.dice.randint(1, 4))]
        answers = call(database, HOLD, *(row(id, self.payer(), 30, creator=self.payer()) for id in ids))
        self.hunt.holds += [id for id, answer in zip(ids, answers, strict=True) if answer[1] == "held"]
        return str(answers[0][1])

    def carve(self, database: Database) -> str:
        for parent in self.some(1):
            payer = database.execute("SELECT organization_id FROM billing_charge WHERE id = %s", (parent,)).fetchone()
            id = uuid4()
            assert payer is not None
            answer = call(database, HOLD, row(id, payer[0], 5, parent=parent, creator=self.payer()))[0][1]
            self.hunt.holds += [id] if answer == "held" else []
            return str(answer)
        return "nothing"

    def settle(self, database: Database) -> str:
        ids = self.some()
        return str(call(database, SETTLE, *(end(id, self.dice.randint(1, 40)) for id in ids))[0][1]) if ids else ""

    def extend(self, database: Database) -> str:
        ids = self.some()
        return str(call(database, EXTEND, *((id, self.dice.randint(30, 60)) for id in ids))[0][1]) if ids else ""

    def checkpoint(self, database: Database) -> None:
        if ids := self.some():
            call(database, CHECKPOINT, *((id, self.dice.randint(1, 9), 0, 0, 60) for id in ids))

    def release(self, database: Database) -> str:
        ids = self.some()
        return str(call(database, RELEASE, *((id, "failed") for id in ids))[0][1]) if ids else ""

    def sweep(self, database: Database) -> bool:
        late = "UPDATE billing_hold SET expires_at = now() - interval '1 second' WHERE id = %s AND state = 'open'"
        for id in self.some(1):
            database.execute(late, (id,))
        return bool(ask(database, "billing_sweep", 20))

    def refund(self, database: Database) -> str:
        clawback = self.dice.random() < 0.5
        return "".join(
            ask(database, "billing_refund_settlement", uuid4(), id, 3, clawback, "quality", "n", "ada", 100)
            for id in self.some(1)
        )

    def give(self, database: Database) -> str:
        call = "SELECT billing_give(%s, %s, 'promo', 20, 'zero', 1, now() + interval '1 day', 'r', 'ada', 100)"
        return str((database.execute(call, (uuid4(), self.payer())).fetchone() or ("",))[0])

    def attribute(self, database: Database) -> None:
        ask(database, "billing_attribute", self.payer(), self.dice.randint(1, 30))

    def move(self, database: Database) -> str:
        debit, credit = (wallet(database, payer) for payer in self.dice.sample(self.hunt.payers, 2))
        id = uuid4()
        self.hunt.adjustments.append(id)
        return str(ask(database, "billing_adjust", id, "adjustment", debit, credit, None, 10, "r", "t", "ada", 100))

    def reverse(self, database: Database) -> str:
        kinds = "('adjustment', 'settlement', 'grant', 'refund')"
        found = database.execute(
            f"SELECT id FROM billing_transfergroup WHERE kind IN {kinds} AND organization_id = %s"
            " ORDER BY id DESC LIMIT 1 OFFSET %s", (self.payer(), self.dice.randint(0, 20)),
        ).fetchone()  # fmt: skip
        if found is None:
            return "nothing"
        return str(ask(database, "billing_adjust", uuid4(), "reversal", None, None, found[0], 1, "r", "t", "ada", 100))

    def set_budget(self, database: Database) -> str:
        known = self.dice.random() < 0.6 and self.hunt.budgets
        id, payer = self.dice.choice(self.hunt.budgets) if known else (uuid4(), self.payer())
        self.hunt.budgets.append((id, payer))
        mode = self.dice.choice(("hard", "soft"))
        return str(ask(database, "billing_set_budget", id, payer, "organization", "", "day", "UTC",
                       self.dice.randint(2_000, 9_000), mode, [80], "ada"))  # fmt: skip

    def end_budget(self, database: Database) -> str:
        return ask(database, "billing_end_budget", *self.hunt.budgets[-1]) if self.hunt.budgets else ""

    def pay_in(self, database: Database) -> str:
        return str(ask(database, "billing_announce_top_up", uuid4(), self.payer(), 500, "manual", "n", "ada", 500))

    def charge_back(self, database: Database) -> str:
        payer = self.payer()
        said = ask(database, "billing_charge_back", uuid4(), payer, 5, None, "r", "t", "bank")
        ask(database, "billing_set_wallet", payer, "open", "r")
        return str(said)

    def mint(self, database: Database) -> str:
        id = uuid4()
        parent = self.dice.choice(self.hunt.tokens) if self.hunt.tokens and self.dice.random() < 0.5 else None
        payer = self.payer()
        if parent:
            of = database.execute(
                "SELECT organization_id FROM billing_paymenttoken WHERE id = %s", (parent,)
            ).fetchone()
            payer = of[0] if of else payer
        said = database.execute(
            "SELECT outcome FROM billing_mint_token(%s, %s, %s, NULL, 'n', %s, %s, 1, 'abcd', 20, NULL, NULL, '{}',"
            " true, interval '0', interval '1 hour', 5, NULL, 'ada')",
            (id, payer, parent, id.hex[:12], os.urandom(32)),
        ).fetchone()
        assert said is not None
        if said[0] == "minted":
            self.hunt.tokens.append(id)
        return str(said[0])

    def end_token(self, database: Database) -> str:
        if not self.hunt.tokens:
            return "nothing"
        token = self.dice.choice(self.hunt.tokens[-20:])
        return str(len(database.execute("SELECT billing_end_token(%s, 'revoked')", (token,)).fetchall()))


@pytest.mark.parametrize(("clients", "seconds"), [(8, 4.0), pytest.param(16, HUNT_S, marks=FOR_LONG)])
def test_c11_whatever_is_done_at_once_nobody_waits_in_a_circle_or_for_long(
    clients: int, seconds: float, database_urls: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    hunt = Hunt([make.wallet(make.organization(), 5_000).id for _ in range(5)])
    until = time.monotonic() + seconds

    def run(seed: int) -> Callable[[Database], None]:
        return lambda database: Client(hunt, seed)(database, until)

    before = deadlocks(database_urls)
    at_once(database_urls, [run(seed) for seed in range(clients)])

    with capsys.disabled():
        sys.stderr.write(f"\n{sum(hunt.said.values())} calls, the slowest took {hunt.slowest:.2f} s: {hunt.outcomes}\n")
    assert deadlocks(database_urls) == before
    assert hunt.slowest < SLOWEST_S
    assert money.broken_rules() == {}


def deadlocks(urls: Mapping[str, str]) -> int:
    with money.connect(money.superuser(urls)) as database:
        found = database.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    return int(found[0]) if found else 0
