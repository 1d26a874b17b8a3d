"""Random steps over what people correct: adjustments, reversals, chargebacks, wallets."""

from typing import Any

from tests.billing import steps
from tests.billing.paper_holds import Account, Group, platform
from tests.billing.steps import step
from tests.billing.walk import ORGANIZATIONS, Database, amounts, pick, resolve, small, whose
from tests.billing.walk_of_payments import ALONE, TopUp
from tests.billing.walk_of_payouts import Payouts

POSTED = "SELECT id FROM billing_transfergroup WHERE key = %s"


class Corrections(Payouts):
    """All that happens to money."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.moved: dict[Group, TopUp] = {}

    @step(2, payer=whose, other=whose, amount=amounts, way=steps.sampled_from(["out", "in", "over", "earned"]))
    def adjust(self, payer: int, other: int, amount: int, way: str) -> None:
        """Between a wallet and the platform, a wallet and another, out of earnings."""
        wallet: Account = ("wallet", ORGANIZATIONS[payer])
        sides: dict[str, tuple[Account, Account]] = {
            "out": (wallet, platform("rounding")),
            "in": (platform("rounding"), wallet),
            "over": (wallet, ("wallet", ORGANIZATIONS[other])),
            "earned": (("creator_earnings", ORGANIZATIONS[payer]), wallet),
        }
        debit, credit = sides[way]
        if debit == credit:
            return
        room = self.books.balance(debit) if way == "earned" else self.books.available(ORGANIZATIONS[payer])
        moved = max(resolve(amount, room), 1)
        lines = ((debit, credit, moved),)
        self._adjust("adjustment", lines, values=(self._number(debit), self._number(credit), None, moved))

    @step(payer=whose, amount=amounts, clawback=steps.booleans())
    def write_off(self, payer: int, amount: int, clawback: bool) -> None:
        """A debt, and no more than the debt."""
        account: Account = ("creator_clawback" if clawback else "wallet", ORGANIZATIONS[payer])
        debt = -self.books.balance(account)
        moved = max(resolve(amount, debt), 1)
        if clawback and debt == 0 and self._number(account) is None:
            return
        problem = "too_much" if moved > debt else None
        lines = ((platform("overrun_loss"), account, moved),)
        values = (self._number(lines[0][0]), self._number(account), None, moved)
        self._adjust("write_off", lines, values=values, problem=problem)

    @step(3, when=lambda self: self.books.journal, place=pick)
    def reverse(self, place: int) -> None:
        """The same the other way around, once."""
        group = self.books.journal[-1 - place % len(self.books.journal)]
        row = self.database.execute(POSTED, (group.key,)).fetchone()
        assert row is not None
        lines = tuple((to, origin, amount) for origin, to, amount in group.lines)
        total = sum(amount for _, _, amount in lines)
        self._adjust("reversal", lines, values=(None, None, row[0], total), problem=self._irreversible(group),
                     reverses=group)  # fmt: skip

    def _irreversible(self, group: Group) -> str | None:
        if self.books.reversal_of(group):
            return "reversed"
        if group.kind in ("reversal", "payout", "payout_return"):
            return "irreversible"
        if any(t.group is group and t.state != "credited" for t in self.top_ups):
            return "returned"
        if group.hold and any(r.hold is group.hold and self._counts(r) for r in self.refunds):
            return "refunded"
        return None

    def _adjust(
        self, kind: str, lines: tuple[tuple[Account, Account, int], ...], *, values: tuple[Any, ...],
        problem: str | None = None, reverses: Group | None = None,
    ) -> None:  # fmt: skip
        id = self.new_id()
        total = sum(amount for _, _, amount in lines)
        problem = problem or self._unaffordable(lines)
        asked = (id, kind, *values, "r", "t", "ada", ALONE)
        answer = self.ask("billing_adjust", *asked)
        assert answer == (problem or ("requested" if total > ALONE else "made"))
        if problem:
            return
        if total > ALONE:
            assert self.ask("billing_decide_adjustment", id, True, "ada") == "same_person"
            assert self.ask("billing_decide_adjustment", id, True, "grace") == "made"
        is_grant = reverses is not None and reverses.kind == "grant"
        self.books.post(kind, id, *lines, reverses=reverses, is_spending=not is_grant)
        for lot in self.books.lots:
            if reverses is not None and reverses.key == f"grant:{lot.id}":
                lot.used = lot.amount
        for top_up in self.top_ups:
            if reverses is not None and top_up.group is reverses:
                top_up.state = "canceled"
            elif reverses is not None and self.moved.get(reverses) is top_up:
                top_up.state = "credited"

    def _unaffordable(self, lines: tuple[tuple[Account, Account, int], ...]) -> str | None:
        problems = set()
        for account in {side for line in lines for side in line[:2]}:
            taken = sum(line[2] for line in lines if line[0] == account)
            taken -= sum(line[2] for line in lines if line[1] == account)
            kind, owner = account
            if kind == "wallet" and owner is not None:
                if self._closed(owner):
                    problems.add("closed")
                elif self.books.available(owner) < taken:
                    problems.add("insufficient")
            elif kind == "creator_earnings" and taken > 0 and self.books.balance(account) < taken:
                problems.add("insufficient")
        return min(problems, default=None)

    @step(
        when=lambda self: all(wallet.status == "open" for wallet in self.books.wallets.values()),
        payer=whose,
        place=pick,
        amount=amounts,
    )
    def charge_back(self, payer: int, place: int, amount: int) -> None:
        """A bank takes a payment back: the wallet stands still, and gives what it has."""
        paid = self.top_ups[place % len(self.top_ups)] if self.top_ups and place % 2 else None
        organization = paid.organization if paid else ORGANIZATIONS[payer]
        asked = max(resolve(amount, paid.amount if paid else self.books.available(organization)), 1)
        id = self.new_id()
        answer = self.ask("billing_charge_back", id, organization, asked, paid and paid.id, "r", "t", "bank")
        if paid and (paid.state != "credited" or paid.amount < asked):
            assert answer == "returned"
            return
        assert answer == "made"
        wallet: Account = ("wallet", organization)
        taken = min(asked, max(self.books.balance(wallet) - self.books.pending(organization), 0))
        clearing = platform("external_clearing")
        group = self.books.post(
            "chargeback", id, (wallet, clearing, taken), (platform("overrun_loss"), clearing, asked - taken)
        )
        if paid:
            paid.state = "disputed"
            self.moved[group] = paid
        if self.books.wallets[organization].status == "open":
            self.books.wallets[organization].status = "frozen"

    @step(when=lambda self: len(self.books.journal) > 9, payer=whose, reopened=steps.booleans())
    def close_wallet(self, payer: int, reopened: bool) -> None:
        """For good, when it is empty."""
        organization = ORGANIZATIONS[payer]
        wallet = self.books.wallets[organization]
        is_empty = self.books.balance(("wallet", organization)) == 0 and self.books.pending(organization) == 0
        answer = self.ask("billing_set_wallet", organization, "closed", "r")
        assert answer == ("closed" if is_empty or wallet.status == "closed" else "not_empty")
        if answer == "closed":
            wallet.status = "closed"
        if reopened and wallet.status == "closed":
            assert self.ask("billing_set_wallet", organization, "open", "r") == "closed"

    @step(payer=whose, most=small)
    def set_credit_limit(self, payer: int, most: int) -> None:
        """Never less than was used of it."""
        organization = ORGANIZATIONS[payer]
        fits = self.books.balance(("wallet", organization)) + most >= self.books.pending(organization)
        assert self.ask("billing_set_credit_limit", organization, most) == ("set" if fits else "in_use")
        if fits:
            self.books.wallets[organization].credit_limit = most

    def _number(self, account: Account) -> Any:
        kind, owner = account
        row = self.database.execute(
            "SELECT id FROM billing_account WHERE kind = %s AND organization_id IS NOT DISTINCT FROM %s", (kind, owner)
        ).fetchone()
        return row and row[0]
