"""What every walk does: it begins with empty books, on the real database and on paper, and compares both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from billing.operations import Operation
from tests.billing import steps
from tests.billing.paper_books import Books
from tests.billing.paper_holds import Account, Hold, Window
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


class Walk:
    """Three organizations with money in their wallets."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.books = Books(ORGANIZATIONS)
        self.number = 1000
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

    def check(self) -> None:
        """Every account, wallet, hold and window; and what must hold in any books."""
        self.hold_to_constraints()
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

    def hold_to_constraints(self) -> None:
        """As at the end of a transaction."""
        self.database.execute("SET CONSTRAINTS ALL IMMEDIATE")
        self.database.execute("SET CONSTRAINTS ALL DEFERRED")

    def finish(self) -> None:
        """What is compared once, after the last step."""

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


def _as_row(hold: Hold) -> tuple[Any, ...]:
    return (
        hold.state, hold.amount, hold.child_reserved, hold.child_spent, *hold.accrued, hold.charged, hold.overrun,
        hold.creator_share, hold.loss if hold.is_settled else 0,
    )  # fmt: skip


def _counts(window: Window) -> tuple[Any, ...]:
    return window.held, window.spent, window.limit, window.allowed, window.over
