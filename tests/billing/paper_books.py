"""The books as they ought to be, on paper: a journal and a forest of holds; figures are worked out anew when asked."""

from collections.abc import Sequence
from uuid import UUID

from tests.billing.paper_holds import DEEPEST, Account, Budget, Group, Hold, Lot, Pots, Wallet, Window, platform, shares

Asked = tuple[Hold, int, int, int, bool, bool]
"""The end of a hold: cost, markup, fee, whether on the platform's credential, whether it brings lines of a bill."""


class Books:
    """All that happened, and what follows from it."""

    def __init__(self, organizations: Sequence[UUID]) -> None:
        self.wallets = {id: Wallet() for id in organizations}
        self.journal: list[Group] = []
        self.holds: dict[UUID, Hold] = {}
        self.budgets: list[Budget] = []
        self.lots: list[Lot] = []

    def balance(self, account: Account) -> int:
        """Credits less debits."""
        lines = [line for group in self.journal for line in group.lines]
        return sum(amount for _, to, amount in lines if to == account) - sum(
            amount for origin, _, amount in lines if origin == account
        )

    def pending(self, payer: UUID) -> int:
        return sum(hold.reserved for hold in self.holds.values() if hold.payer == payer and self._is_root(hold))

    def available(self, payer: UUID) -> int:
        return self.balance(("wallet", payer)) + self.wallets[payer].credit_limit - self.pending(payer)

    def post(
        self, kind: str, key: object, *lines: tuple[Account, Account, int], hold: Hold | None = None,
        reverses: Group | None = None, is_spending: bool = True,
    ) -> Group:  # fmt: skip
        """Write a group down; what leaves a wallet is spent of its grants first."""
        moved = tuple(line for line in lines if line[2])
        assert moved
        group = Group(kind=kind, key=f"{kind}:{key}", lines=moved, hold=hold, reverses=reverses)
        self.journal.append(group)
        for origin, _, amount in moved:
            if origin[0] == "wallet" and is_spending:
                self._spend(origin[1], amount)
        return group

    def _spend(self, payer: UUID | None, amount: int) -> None:
        lots = [lot for lot in self.lots if lot.organization == payer and lot.state == "given"]
        for lot in sorted(lots, key=lambda lot: lot.rank):
            part = min(amount, lot.amount - lot.used)
            lot.used += part
            amount -= part

    def reversal_of(self, group: Group) -> Group | None:
        return next((other for other in self.journal if other.reverses is group), None)

    # -- holds

    def hold(self, asked: Sequence[Hold]) -> list[tuple[str, bool]]:
        """Open holds in the order asked for; what each is answered, and whether that opened nothing."""
        for one in asked:
            self._begin_periods(one)
        first = self._named_first(asked)
        fresh = [one for i, one in enumerate(asked) if i in first and self._may_open(one)]
        pots, opened = Pots(), list[Hold]()
        pots.prepare(pot for one in fresh for pot in self._pots(one))
        for one in fresh:
            if one.amount == 0 or pots.draw(one.amount, self._pots(one)):
                opened.append(one)
        for one in opened:
            one.state = "open" if one.amount else "free"
            one.windows = [] if one.parent or not one.amount else self.windows_of(one)
        for one in opened:
            self.holds[one.id] = one
            if one.parent and one.amount:
                one.parent.children.append(one)
            for window in one.windows:
                window.roots.append(one)
        return [
            (self._answer(one, is_first=i in first), not any(one is other for other in opened))
            for i, one in enumerate(asked)
        ]

    def _named_first(self, asked: Sequence[Hold]) -> set[int]:
        once: dict[UUID, int] = {}
        for i, one in enumerate(asked):
            once.setdefault(one.id, i)
        named: dict[object, int] = {}
        for i in once.values():
            named.setdefault((asked[i].payer, asked[i].idempotency_key or asked[i].id), i)
        return set(named.values())

    def _may_open(self, one: Hold) -> bool:
        if one.id in self.holds or self._taken(one):
            return False
        if one.named is not None and not self._may_carve(one):
            return False
        return one.amount == 0 or one.parent is not None or self.wallets[one.payer].status == "open"

    def _taken(self, one: Hold) -> bool:
        return one.idempotency_key is not None and any(
            other.payer == one.payer and other.idempotency_key == one.idempotency_key for other in self.holds.values()
        )

    def _may_carve(self, one: Hold) -> bool:
        above = self.holds.get(one.named) if one.named else None
        return above is not None and above.payer == one.payer and above.state in ("open", "free") and (
            one.parent is None or one.parent.depth < DEEPEST
        )  # fmt: skip

    def _pots(self, one: Hold) -> list[tuple[object, int]]:
        if one.amount == 0:
            return []
        if one.parent:
            return [(one.parent, one.parent.room)]
        hard = [(window, window.room) for window in self.windows_of(one) if window.allowed is not None]
        return [(one.payer, self.available(one.payer)), *hard]

    def _answer(self, one: Hold, *, is_first: bool) -> str:
        known = self.holds.get(one.id)
        above = self.holds.get(one.named) if one.named else None
        if known is not None:
            is_same = (known.payer, known.named) == (one.payer, one.named) and known.amount >= one.amount
            return "held" if is_same else "conflict"
        if self._taken(one) or (one.idempotency_key is not None and not is_first):
            return "duplicate"
        if one.named is not None and (above is None or above.payer != one.payer):
            return "no_parent"
        if above is not None and above.state not in ("open", "free"):
            return "parent_closed"
        if one.parent is not None and one.parent.depth >= DEEPEST:
            return "too_deep"
        if self.wallets[one.payer].status != "open" and one.parent is None:
            return "frozen"
        return "insufficient"

    def extend(self, asked: Sequence[tuple[Hold, int]]) -> list[str]:
        """Grow open holds to new totals, in the order asked for."""
        pots = Pots()
        growing = [(hold, amount) for hold, amount in asked if hold.state == "open" and amount > hold.amount]
        before = {hold: hold.amount for hold, _ in growing}
        drawn = {hold: pots_of for hold, _ in growing if (pots_of := self._growth_pots(hold))}
        for pots_of in drawn.values():
            pots.prepare(pots_of)
        grown = []
        for hold, amount in growing:
            if hold in drawn and pots.draw(amount - before[hold], drawn[hold]):
                pots.grow(hold, amount - before[hold])
                grown.append((hold, amount))
        for hold, amount in grown:
            hold.amount = amount
        return [self._extended(hold, amount) for hold, amount in asked]

    def _growth_pots(self, hold: Hold) -> list[tuple[object, int]]:
        if hold.parent:
            return [(hold.parent, hold.parent.room)] if hold.parent.state == "open" else []
        if self.wallets[hold.payer].status != "open":
            return []
        hard = [(window, window.room) for window in hold.windows if window.allowed is not None]
        return [(hold.payer, self.available(hold.payer)), *hard]

    def _extended(self, hold: Hold, amount: int) -> str:
        if hold.state != "open":
            return "closed"
        if hold.amount >= amount:
            return "extended"
        return "frozen" if self.wallets[hold.payer].status != "open" and hold.parent is None else "insufficient"

    def settle(self, asked: Sequence[Asked]) -> list[tuple[str, int, int]]:
        """End holds by charging them; of two askers for one the first is heard."""
        heard: dict[UUID, Asked] = {}
        for one in asked:
            heard.setdefault(one[0].id, one)
        due = [one for one in heard.values() if one[0].state in ("open", "expired")]
        priced = [(one, *self._price(one)) for one in due]
        pots, ends = Pots(), list[tuple[Asked, int, int, int]]()
        reach = {one[0]: self._beyond(one[0]) for one in due}
        for one, price, platform_due, reserved in priced:
            excess = max(price - reserved, 0)
            overrun = pots.draw(excess, reach[one[0]], partly=True) if excess else 0
            ends.append((one, price - excess + overrun, platform_due, overrun))
        for end in ends:
            self._charge(*end)
        for hold, cost, _, _, is_platform, has_lines in heard.values():
            if hold.state == "free":
                self._book_free_work(hold, cost if is_platform else 0)
                hold.lines = 3 if has_lines else 0
        return [
            ("released", 0, 0) if one[0].state == "released" else ("settled", one[0].charged, one[0].loss)
            for one in asked
        ]

    def _price(self, one: Asked) -> tuple[int, int, int]:
        """What is to be paid at most, how much of it is due to the platform, and what is reserved for it."""
        hold, cost, markup, fee, is_platform, _ = one
        creator_due, platform_due = shares(hold, cost, markup, fee, is_platform=is_platform)
        price = max(min(creator_due + platform_due, hold.room), cost if is_platform else 0)
        return price, platform_due, hold.room if hold.state == "open" else 0

    def _beyond(self, hold: Hold) -> list[tuple[object, int]]:
        """What may be paid beyond a hold."""
        hard = [(w, max(w.allowed - w.held - w.spent, 0)) for w in hold.root.windows if w.allowed is not None]
        return [(hold.payer, self.available(hold.payer)), *hard]

    def _charge(self, one: Asked, paid: int, platform_due: int, overrun: int) -> None:
        hold, cost, markup, fee, is_platform, has_lines = one
        platform_share = min(platform_due, paid)
        hold.charged, hold.overrun, hold.creator_share = paid, overrun, paid - platform_share
        hold.loss = max(cost - platform_share, 0) if is_platform else 0
        kind = "settlement" if hold.state == "open" else "late_settlement"
        hold.state = "settled" if hold.state == "open" else "late"
        hold.asked, hold.lines = (cost, markup, fee), 3 if has_lines else 0
        if paid or (is_platform and cost):
            wallet: Account = ("wallet", hold.payer)
            group = self.post(
                kind, hold.id,
                (wallet, platform("platform_revenue"), platform_share),
                (wallet, ("creator_earnings", hold.creator), hold.creator_share),
                (platform("provider_cost"), platform("provider_payable"), cost - hold.loss if is_platform else 0),
                (platform("overrun_loss"), platform("provider_payable"), hold.loss),
                hold=hold,
            )  # fmt: skip
            group.key = f"settlement:{hold.id}"

    def _book_free_work(self, hold: Hold, cost: int) -> None:
        hold.state, hold.loss = "ended", cost
        if cost:
            self.post("unheld_loss", hold.id, (platform("overrun_loss"), platform("provider_payable"), cost))

    def release(self, asked: Sequence[Hold]) -> list[str]:
        """End holds for nothing."""
        for hold in asked:
            if hold.state == "open":
                hold.state = "released"
            elif hold.state == "free":
                hold.state = "ended"
        return ["closed" if hold.is_settled else "released" for hold in asked]

    def sweep(self, overdue: Sequence[Hold]) -> None:
        """Close what nobody came back for, leaves first: what had been written down is settled, the rest given back."""
        waiting = [hold for hold in overdue if hold.state == "open"]
        while waiting:
            leaves = [hold for hold in waiting if not any(child in waiting for child in hold.children)]
            spent = sorted((hold for hold in leaves if any(hold.accrued)), key=lambda hold: hold.id)
            self.settle([(hold, *hold.accrued, hold.platform, False) for hold in spent])
            for hold in spent:
                hold.lines = sum(part > 0 for part in hold.accrued)
            for hold in leaves:
                if hold.state == "open":
                    hold.state = "expired"
            waiting = [hold for hold in waiting if hold not in leaves]

    # -- budgets

    def budgets_of(self, one: Hold) -> list[Budget]:
        named = {("organization", ""), ("key", one.key)}
        return [b for b in self.budgets if b.active and b.organization == one.payer and (b.scope, b.subject) in named]

    def windows_of(self, one: Hold) -> list[Window]:
        return [budget.windows[-1] for budget in self.budgets_of(one) if budget.windows and not budget.windows[-1].over]

    def _begin_periods(self, one: Hold) -> None:
        for budget in self.budgets_of(one):
            if not budget.windows or budget.windows[-1].over:
                budget.windows.append(Window(limit=budget.limit, allowed=budget.limit if budget.hard else None))

    def change_budget(self, budget: Budget, limit: int, *, hard: bool) -> None:
        """With a lower limit nothing more fits until there is room again."""
        budget.limit, budget.hard = limit, hard
        for window in budget.windows:
            if not window.over:
                window.limit = limit
                window.allowed = max(limit, window.held + window.spent) if hard else None

    def _is_root(self, hold: Hold) -> bool:
        return hold.parent is None and not hold.is_free
