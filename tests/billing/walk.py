"""Random steps over what runs do, on the real database and on paper; after each step both say the same."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from billing.operations import CHECKPOINT, EXTEND, HOLD, RELEASE, SETTLE, Operation
from tests.billing import steps
from tests.billing.paper_books import Asked, Books
from tests.billing.paper_holds import Account, Budget, Hold, Window
from tests.billing.steps import step

Database = psycopg.Connection[tuple[Any, ...]]

INVARIANTS = Path("billing/sql/invariants.sql").read_text().encode()
ORGANIZATIONS = [UUID(int=n) for n in (1, 2, 3)]
KEYS = [str(UUID(int=n)) for n in (11, 12)]
CENT = 10_000_000
EDGE, BEYOND = -1, -2
"""Amounts that are found out when they are needed: all that is left, and one more."""

pick = steps.integers(0, 40)
whose = steps.integers(0, 2)
maybe = steps.integers(0, 3)
small = steps.integers(0, 300)
amounts = steps.one_of(
    small, small, small, steps.sampled_from([EDGE, BEYOND]), steps.integers(1, 3).map(lambda n: n * CENT + 7)
)
costs = steps.one_of(small, steps.integers(0, 30), steps.integers(0, 2).map(lambda n: n * CENT))

ACCOUNTS = """
    SELECT a.kind, a.organization_id, sum(CASE a.id WHEN t.credit_id THEN t.amount ELSE -t.amount END)::bigint
    FROM billing_transfer t JOIN billing_account a ON a.id IN (t.debit_id, t.credit_id)
    GROUP BY a.kind, a.organization_id
"""
WALLETS = """
    SELECT organization_id, credits_posted - debits_posted, debits_pending, credit_limit, status
    FROM billing_account WHERE kind = 'wallet' AND organization_id = ANY (%s)
"""
HOLDS = """
    SELECT h.id, h.state, h.amount, h.child_reserved, h.child_spent, h.accrued_cost, h.accrued_markup, h.accrued_fee,
        coalesce(s.charged, 0), coalesce(s.overrun, 0), coalesce(s.creator_share, 0), coalesce(s.loss, 0)
    FROM billing_hold h LEFT JOIN billing_settlement s ON s.hold_id = h.id
"""
LINES = "SELECT charge_id, count(*) FROM billing_usageline GROUP BY charge_id"
WINDOWS = """
    SELECT budget_id, held, spent, "limit", allowed, ends_at <= now() FROM billing_budgetwindow ORDER BY budget_id, id
"""
OPEN_ENDED = 600


class Runs:
    """Holds, whatever is carved out of them, their ends, and the budgets that they count in."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.books = Books(ORGANIZATIONS)
        self.number = 1000
        self.days = 0
        self.database.execute("BEGIN")
        for payer, amount in enumerate((900, 300, 3 * CENT)):
            self.pay_in(payer, amount)

    def end(self) -> None:
        """Nothing of it stays."""
        self.database.execute("ROLLBACK")

    @step(2, payer=whose, amount=steps.one_of(small, steps.integers(1, 5).map(lambda n: n * CENT)))
    def pay_in(self, payer: int, amount: int) -> None:
        """Money that is there at once."""
        organization = ORGANIZATIONS[payer]
        if amount == 0 or self.books.wallets[organization].status == "closed":
            return
        id = self.new_id()
        answer = self.ask("billing_announce_top_up", id, organization, amount, "manual", "walk", "walk", amount)
        assert answer == "credited"
        self.books.post("top_up", id, (("external_clearing", None), ("wallet", organization), amount))

    @step(
        4,
        items=steps.lists(
            steps.tuples(whose, amounts, steps.sampled_from([None, 0, 1, 2]), steps.booleans(), maybe, maybe, pick), 3
        ),
        key=steps.sampled_from([None, *KEYS]),
    )
    def hold(self, items: Sequence[tuple[int, int, int | None, bool, int, int, int]], key: str | None) -> None:
        """Several at once; now and then again what was there, or for a key that was used."""
        asked = [self._wanted(*item, key=key) for item in items]
        rows = [
            (one.id, one.payer, one.id, one.amount, "run", "r", one.named, None, one.creator, None, one.platform,
             one.idempotency_key, OPEN_ENDED, one.key and UUID(one.key), "", None)
            for one in asked
        ]  # fmt: skip
        expected = self.books.hold(asked)
        assert [(row[1], row[2]) for row in self.call(HOLD, rows)] == expected

    @step(
        4,
        when=lambda self: self.books.holds,
        parents=steps.lists(steps.tuples(pick, amounts, steps.sampled_from([None, 0, 1])), 3),
    )
    def carve(self, parents: Sequence[tuple[int, int, int | None]]) -> None:
        """Children, of the newest more often than of others."""
        asked = []
        for place, amount, creator in parents:
            above = list(self.books.holds.values())[-1 - place % len(self.books.holds)]
            room = above.room if not above.is_free else self.books.available(above.payer)
            asked.append(
                Hold(
                    id=self.new_id(), payer=above.payer, creator=None if creator is None else ORGANIZATIONS[creator],
                    platform=True, amount=resolve(amount, room), named=above.id,
                    parent=None if above.is_free else above,
                )
            )  # fmt: skip
        rows = [
            (one.id, one.payer, one.id, one.amount, "tool", "r", one.named, None, one.creator, None, True, None,
             OPEN_ENDED, None, "", None)
            for one in asked
        ]  # fmt: skip
        expected = self.books.hold(asked)
        assert [(row[1], row[2]) for row in self.call(HOLD, rows)] == expected

    @step(when=lambda self: self.books.holds, place=pick, levels=steps.integers(2, 9))
    def descend(self, place: int, levels: int) -> None:
        """A child of a child of a child."""
        above = self.some(place, "open")
        for _ in range(levels if not above.is_free else 0):
            child = Hold(id=self.new_id(), payer=above.payer, creator=None, platform=True, amount=1, named=above.id,
                         parent=above)  # fmt: skip
            row = (child.id, child.payer, child.id, 1, "agent", "r", above.id, None, None, None, True, None,
                   OPEN_ENDED, None, "", None)  # fmt: skip
            expected = self.books.hold([child])
            assert [(row[1], row[2]) for row in self.call(HOLD, [row])] == expected
            above = child if expected == [("held", False)] else above

    def _wanted(
        self, payer: int, amount: int, creator: int | None, is_platform: bool, again: int, named: int, place: int,
        *, key: str | None,
    ) -> Hold:  # fmt: skip
        organization = ORGANIZATIONS[payer]
        if again == 1 and self.books.holds:
            known = self.some(place)
            amount = resolve(amount, known.amount)
            return Hold(id=known.id, payer=known.payer, creator=known.creator, platform=known.platform, amount=amount,
                        named=known.named, parent=known.parent, key=key)  # fmt: skip
        return Hold(
            id=self.new_id(), payer=organization, creator=None if creator is None else ORGANIZATIONS[creator],
            platform=is_platform, amount=resolve(amount, self.books.available(organization)), key=key,
            idempotency_key=f"key {place % 4}" if named == 1 else None,
        )  # fmt: skip

    @step(2, when=lambda self: self.books.holds, items=steps.lists(steps.tuples(pick, amounts), 3))
    def extend(self, items: Sequence[tuple[int, int]]) -> None:
        """Grow some, up to what there is or one beyond."""
        asked: dict[Hold, int] = {}
        for place, amount in items:
            hold = self.some(place, "open")
            room = hold.parent.room if hold.parent else self.books.available(hold.payer)
            if not hold.is_free:
                asked.setdefault(hold, max(hold.amount + resolve(amount, room) - (place == 0), 1))
        expected = self.books.extend(list(asked.items()))
        assert [row[1] for row in self.call(EXTEND, [(hold.id, amount) for hold, amount in asked.items()])] == expected

    @step(
        2,
        when=lambda self: any(hold.parent and hold.state == "open" for hold in self.books.holds.values()),
        place=pick,
        more=small,
        beyond=steps.integers(-3, 1),
        turned=steps.booleans(),
    )
    def extend_pair(self, place: int, more: int, beyond: int, turned: bool) -> None:
        """A hold and a child of it at once: the child may have what its parent has got just before."""
        children = [hold for hold in self.books.holds.values() if hold.parent and hold.state == "open"]
        child = children[-1 - place % len(children)]
        assert child.parent
        growth = max(child.parent.room + more + beyond, 1)
        asked = [(child.parent, child.parent.amount + more), (child, child.amount + growth)][:: -1 if turned else 1]
        expected = self.books.extend(asked)
        assert [row[1] for row in self.call(EXTEND, [(hold.id, amount) for hold, amount in asked])] == expected

    @step(3, when=lambda self: self.books.holds, place=pick, parts=steps.tuples(costs, small, small))
    def checkpoint(self, place: int, parts: tuple[int, int, int]) -> None:
        """What was written down only grows."""
        hold = self.some(place, "open")
        self.call(CHECKPOINT, [(hold.id, *parts, OPEN_ENDED)])
        if hold.state == "open":
            before = hold.accrued
            hold.accrued = max(before[0], parts[0]), max(before[1], parts[1]), max(before[2], parts[2])

    @step(
        6,
        when=lambda self: self.books.holds,
        items=steps.lists(
            steps.tuples(pick, costs, small, steps.integers(0, 40), steps.integers(0, 9), steps.booleans()), 3
        ),
        is_live=steps.booleans(),
    )
    def settle(self, items: Sequence[tuple[int, int, int, int, int, bool]], is_live: bool) -> None:
        """Ends of what is open, of what has expired, and of what has ended, with the same and with other figures."""
        asked: list[Asked] = []
        for place, cost, markup, fee, odd, has_lines in items:
            hold = self.some(place, *(("open", "expired") if is_live else ()))
            asked.append((hold, cost, markup, fee, hold.platform if odd else not hold.platform, has_lines))
        rows = [
            (hold.id, cost, markup, fee, is_platform, "provider", "finished", "stop",
             bill(cost, markup, fee) if has_lines else None)
            for hold, cost, markup, fee, is_platform, has_lines in asked
        ]  # fmt: skip
        expected = self.books.settle(asked)
        assert [row[1:] for row in self.call(SETTLE, rows)] == expected

    @step(2, when=lambda self: self.books.holds, places=steps.lists(pick, 2), is_live=steps.booleans())
    def release(self, places: Sequence[int], is_live: bool) -> None:
        """Give back what is open; what has ended stays as it is."""
        asked = list(dict.fromkeys(self.some(place, *(("open",) if is_live else ())) for place in places))
        expected = self.books.release(asked)
        assert [row[1] for row in self.call(RELEASE, [(hold.id, "failed") for hold in asked])] == expected

    @step(
        2,
        when=lambda self: any(hold.state == "open" for hold in self.books.holds.values()),
        spared=steps.lists(pick, 3, least=0),
    )
    def sweep(self, spared: Sequence[int]) -> None:
        """The time of some open holds runs out, of others not."""
        live = [hold for hold in self.books.holds.values() if hold.state == "open"]
        overdue = [hold for i, hold in enumerate(live) if i not in spared]
        ids = [hold.id for hold in overdue]
        late = "UPDATE billing_hold SET expires_at = now() - interval '1 second' WHERE id = ANY (%s)"
        self.database.execute(late, (ids,))
        self.books.sweep(overdue)
        assert self.ask("billing_sweep", 500) == len(overdue)

    @step(payer=whose)
    def freeze(self, payer: int) -> None:
        """A wallet stands still until somebody lets it move again; until then it is tried."""
        organization = ORGANIZATIONS[payer]
        wallet = self.books.wallets[organization]
        if wallet.status == "open":
            assert self.ask("billing_set_wallet", organization, "frozen", "r") == "frozen"
            wallet.status = "frozen"

    @step(3, when=lambda self: any(wallet.status == "frozen" for wallet in self.books.wallets.values()))
    def thaw(self) -> None:
        """All of them move again."""
        for organization, wallet in self.books.wallets.items():
            if wallet.status == "frozen":
                assert self.ask("billing_set_wallet", organization, "open", "r") == "open"
                wallet.status = "open"

    @step(
        2, payer=whose, scope=steps.sampled_from(["", *KEYS]), limit=steps.integers(0, 600), hard=steps.integers(0, 3)
    )
    def set_budget(self, payer: int, scope: str, limit: int, hard: int) -> None:
        """Hard ones more often than soft ones."""
        budget = Budget(id=self.new_id(), organization=ORGANIZATIONS[payer], scope="key" if scope else "organization",
                        subject=scope, limit=limit, hard=hard > 0)  # fmt: skip
        assert self._set(budget, limit, hard=hard > 0) == "set"
        self.books.budgets.append(budget)

    @step(when=lambda self: self.books.budgets, place=pick, limit=steps.integers(0, 600), hard=steps.booleans())
    def change_budget(self, place: int, limit: int, hard: bool) -> None:
        """More, less, or of the other kind."""
        budget = self.books.budgets[place % len(self.books.budgets)]
        answer = self._set(budget, limit, hard=hard)
        assert answer == ("set" if budget.active else "conflict")
        if budget.active:
            self.books.change_budget(budget, limit, hard=hard)

    @step(when=lambda self: self.books.budgets, place=pick)
    def end_budget(self, place: int) -> None:
        """It refuses nothing more, and counts on."""
        budget = self.books.budgets[place % len(self.books.budgets)]
        assert self.ask("billing_end_budget", budget.id, budget.organization) == "ended"
        budget.active = False
        for window in budget.windows:
            window.allowed = None

    @step(when=lambda self: any(budget.windows for budget in self.books.budgets))
    def days_pass(self) -> None:
        """Every period is over. The database's clock stands still, so its windows go back in time instead."""
        self.days += 1
        self.database.execute("SET LOCAL session_replication_role = replica")
        self.database.execute(
            "UPDATE billing_budgetwindow SET starts_at = starts_at - %s * interval '1 day', ends_at = now()"
            " WHERE ends_at > now()",
            (self.days,),
        )
        self.database.execute("SET LOCAL session_replication_role = origin")
        for budget in self.books.budgets:
            for window in budget.windows:
                window.over = True

    def _set(self, budget: Budget, limit: int, *, hard: bool) -> Any:
        return self.ask(
            "billing_set_budget", budget.id, budget.organization, budget.scope, budget.subject, "day", "Europe/Riga",
            limit, "hard" if hard else "soft", [80, 100], "walk",
        )  # fmt: skip

    def check(self) -> None:
        """Every account, wallet, hold and window; and what must hold in any books."""
        self.database.execute("SET CONSTRAINTS ALL IMMEDIATE")
        self.database.execute("SET CONSTRAINTS ALL DEFERRED")
        accounts: set[Account] = {side for group in self.books.journal for line in group.lines for side in line[:2]}
        written = {(kind, owner): balance for kind, owner, balance in self.rows(ACCOUNTS)}
        assert written == {account: self.books.balance(account) for account in accounts}
        wallets = {owner: tuple(rest) for owner, *rest in self.rows(WALLETS, ORGANIZATIONS)}
        assert wallets == {
            id: (self.books.balance(("wallet", id)), self.books.pending(id), wallet.credit_limit, wallet.status)
            for id, wallet in self.books.wallets.items()
        }
        holds = {id: tuple(rest) for id, *rest in self.rows(HOLDS)}
        assert holds == {id: _as_row(hold) for id, hold in self.books.holds.items() if not hold.is_free}
        assert dict(self.rows(LINES)) == {id: hold.lines for id, hold in self.books.holds.items() if hold.lines}
        windows = [tuple(row) for row in self.rows(WINDOWS)]
        assert windows == [(budget.id, *_counts(window)) for budget in self.books.budgets for window in budget.windows]
        assert [name for name, count in self.rows(INVARIANTS) if count] == []

    def rows(self, statement: str | bytes, *values: Any) -> list[tuple[Any, ...]]:
        """What a statement that is asked often answers."""
        text = statement if isinstance(statement, bytes) else statement.encode()
        return self.database.execute(text, values, prepare=True).fetchall()

    def call(self, operation: Operation, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """One of the ledger's operations, for several at once."""
        if not rows:
            return []
        columns = [list(column) for column in zip(*rows, strict=True)]
        return self.database.execute(operation.statement, columns, prepare=True).fetchall()

    def ask(self, function: str, *values: Any) -> Any:
        """What one of the database's functions answers."""
        marks = ", ".join(["%s"] * len(values))
        row = self.database.execute(f"SELECT {function}({marks})".encode(), values).fetchone()
        assert row is not None
        return row[0]

    def new_id(self) -> UUID:
        self.number += 1
        return UUID(int=self.number)

    def some(self, place: int, *states: str) -> Hold:
        """One of the holds, the newest first; one in these states if there is any."""
        known = list(reversed(self.books.holds.values()))
        fitting = [hold for hold in known if hold.state in states] or known
        return fitting[place % len(fitting)]


def resolve(amount: int, room: int) -> int:
    """An amount, when it is known how much there is."""
    return max({EDGE: room, BEYOND: room + 1}.get(amount, amount), 0)


def bill(*parts: int) -> str:
    """The lines of a bill of these parts, one each."""
    return json.dumps(
        [
            {"part": part, "sku": "s", "unit": "call", "quantity": 1, "price_pico": nanos * 1000,
             "amount_pico": nanos * 1000, "source": "provider", "billable": True, "reason": "", "attempt": 1,
             "upstream_request_id": ""}
            for part, nanos in zip(("cost", "markup", "fee"), parts, strict=True)
        ]
    )  # fmt: skip


def _as_row(hold: Hold) -> tuple[Any, ...]:
    return (
        hold.state, hold.amount, hold.child_reserved, hold.child_spent, *hold.accrued, hold.charged, hold.overrun,
        hold.creator_share, hold.loss if hold.is_settled else 0,
    )  # fmt: skip


def _counts(window: Window) -> tuple[Any, ...]:
    return window.held, window.spent, window.limit, window.allowed, window.over
