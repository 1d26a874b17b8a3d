"""Random steps over what runs do: holds, what is carved out of them, their ends, the budgets that they count in."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from billing.operations import CHECKPOINT, EXTEND, HOLD, RELEASE, SETTLE
from tests.billing import steps
from tests.billing.paper_books import Asked
from tests.billing.paper_holds import Budget, Hold
from tests.billing.steps import step
from tests.billing.walk import CENT, KEYS, ORGANIZATIONS, Database, Walk, amounts, maybe, pick, resolve, small, whose

costs = steps.one_of(small, steps.integers(0, 30), steps.integers(0, 2).map(lambda n: n * CENT))
earned = steps.one_of(small, steps.integers(0, 30), steps.integers(1, 3).map(lambda n: n * CENT + 7))
OPEN_ENDED = 600


class Runs(Walk):
    """Whatever runs do to money."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.days = 0

    @step(
        4,
        items=steps.lists(
            steps.tuples(whose, amounts, steps.sampled_from([None, 0, 1, 2]), steps.booleans(), maybe, maybe, pick), 3
        ),
        key=steps.sampled_from([None, *KEYS]),
    )
    def hold(self, items: Sequence[tuple[int, int, int | None, bool, int, int, int]], key: str | None) -> None:
        """Several at once; now and then again what was there, or for a key that was used."""
        self.open([self._wanted(*item, key=key) for item in items])

    def open(self, asked: Sequence[Hold]) -> list[tuple[str, bool]]:
        """Open holds, as the books on paper do; what each was answered."""
        rows = [
            (one.id, one.payer, one.id, one.amount, one.kind, "r", one.named, None, one.creator, None, one.platform,
             one.idempotency_key, OPEN_ENDED, one.key and UUID(one.key), "", None)
            for one in asked
        ]  # fmt: skip
        expected = self.books.hold(asked)
        assert [(row[1], row[2]) for row in self.call(HOLD, rows)] == expected
        return expected

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
            asked.append(self._child(above, resolve(amount, room), "tool", creator=creator))
        self.open(asked)

    def _child(self, above: Hold, amount: int, kind: str, *, creator: int | None = None) -> Hold:
        return Hold(id=self.new_id(), payer=above.payer, creator=None if creator is None else ORGANIZATIONS[creator],
                    platform=True, amount=amount, kind=kind, named=above.id,
                    parent=None if above.is_free else above)  # fmt: skip

    @step(when=lambda self: self.books.holds, place=pick, levels=steps.integers(2, 9))
    def descend(self, place: int, levels: int) -> None:
        """A child of a child of a child."""
        above = self.some(place, "open")
        for _ in range(levels if not above.is_free else 0):
            child = self._child(above, 1, "agent")
            above = child if self.open([child]) == [("held", False)] else above

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
        self._end(asked)

    def _end(self, asked: Sequence[Asked]) -> None:
        rows = [
            (hold.id, cost, markup, fee, is_platform, "provider", "finished", "stop",
             bill(cost, markup, fee) if has_lines else None)
            for hold, cost, markup, fee, is_platform, has_lines in asked
        ]  # fmt: skip
        expected = self.books.settle(asked)
        assert [row[1:] for row in self.call(SETTLE, rows)] == expected

    @step(
        4, payer=whose, creator=steps.sampled_from([None, 0, 1, 2]),
        parts=steps.tuples(costs, earned, steps.integers(0, 30)), is_platform=steps.integers(0, 2),
    )  # fmt: skip
    def work(self, payer: int, creator: int | None, parts: tuple[int, int, int], is_platform: int) -> None:
        """A run from its beginning to its end, within what was reserved for it."""
        hold = Hold(id=self.new_id(), payer=ORGANIZATIONS[payer],
                    creator=None if creator is None else ORGANIZATIONS[creator], platform=is_platform > 0,
                    amount=sum(parts))  # fmt: skip
        if self.open([hold]) == [("held", False)]:
            self._end([(hold, *parts, hold.platform, True)])

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
