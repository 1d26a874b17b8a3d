"""Random steps over what people move: top-ups, refunds, grants."""

from dataclasses import dataclass
from uuid import UUID

from tests.billing import steps
from tests.billing.paper_holds import Account, Group, Hold, Lot, platform
from tests.billing.steps import step
from tests.billing.walk import ORGANIZATIONS, Database, amounts, pick, resolve, small, whose
from tests.billing.walk_of_runs import Runs

ALONE = 100
"""Up to so much one person moves; above it a second one decides."""
GRANTS = "SELECT id, state, used FROM billing_grant"


@dataclass(eq=False, kw_only=True)
class TopUp:
    id: UUID
    organization: UUID
    amount: int
    rail: str
    state: str
    group: Group | None = None
    fee: int | None = None


@dataclass(eq=False, kw_only=True)
class Refund:
    id: UUID
    hold: Hold
    amount: int
    clawback: bool
    state: str = "requested"
    group: Group | None = None


class Payments(Runs):
    """Money in, money back, and credit that is given."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.refunds: list[Refund] = []
        self.top_ups: list[TopUp] = []

    # -- money in

    @step(payer=whose, amount=small, by_gateway=steps.booleans())
    def announce(self, payer: int, amount: int, by_gateway: bool) -> None:
        """By hand it is there at once up to a limit; a gateway says when."""
        id, organization = self.new_id(), ORGANIZATIONS[payer]
        way = "stripe" if by_gateway else "manual"
        answers = {self.ask("billing_announce_top_up", id, organization, amount + 1, way, "n", "ada", ALONE)
                   for _ in range(2)}  # fmt: skip
        if self._closed(organization):
            assert answers == {"closed"}
            return
        top_up = TopUp(id=id, organization=organization, amount=amount + 1, rail=way, state="pending")
        self.top_ups.append(top_up)
        if by_gateway:
            assert answers == {"created"}
            assert self.ask("billing_await_payment", id, f"ext {id}", "https://pay.test") == "pending"
        elif amount + 1 <= ALONE:
            self._credit(top_up)
            assert answers == {"credited"}
        else:
            assert answers == {"pending"}

    @step(
        2,
        when=lambda self: self.top_ups,
        place=pick,
        standing=steps.sampled_from(["paid", "paid", "pending", "failed", "canceled"]),
        off=steps.integers(0, 4),
    )
    def gateway_says(self, place: int, standing: str, off: int) -> None:
        """Each event arrives twice; now and then the amount is another. What was given up may be paid after all."""
        top_up = self.top_ups[-1 - place % len(self.top_ups)]
        if top_up.rail == "manual":
            return
        amount, event = top_up.amount + (off == 0), f"evt {self.new_id()}"
        self.ask("billing_keep_event", "stripe", event, "k", "o", "{}")
        expected = top_up.state
        if top_up.group is None and standing == "paid":
            expected = "mismatch" if off == 0 else "credited"
        elif top_up.state == "pending":
            expected = standing
        values = ("stripe", event, f"ext {top_up.id}", standing, amount, f"pay {top_up.id}")
        assert self.ask("billing_apply_payment", *values) == expected
        if expected not in (top_up.state, "mismatch"):
            if expected == "credited":
                self._credit(top_up)
            top_up.state = expected
        assert self.ask("billing_apply_payment", *values) == expected

    @step(when=lambda self: self.top_ups, place=pick, fee=steps.integers(0, 3))
    def gateway_keeps(self, place: int, fee: int) -> None:
        """What a payment cost is booked once, and only of one that was credited."""
        top_up = self.top_ups[-1 - place % len(self.top_ups)]
        answer = self.ask("billing_book_fee", "stripe", f"ext {top_up.id}", fee)
        if top_up.rail == "manual" or top_up.group is None:
            assert answer == "not_credited"
        elif top_up.fee is not None:
            assert answer == ("booked" if top_up.fee == fee else "conflict")
        else:
            assert answer == "booked"
            top_up.fee = fee
            if fee:
                lines = (platform("payment_fees"), platform("external_clearing"), fee)
                self.books.post("payment_fee", top_up.id, lines)

    @step(
        when=lambda self: self.top_ups,
        place=pick,
        approved=steps.booleans(),
        who=steps.sampled_from(["ada", "grace", "grace"]),
    )
    def decide_top_up(self, place: int, approved: bool, who: str) -> None:
        """Who entered it does not approve it."""
        top_up = self.top_ups[-1 - place % len(self.top_ups)]
        answer = self.ask("billing_decide_top_up", top_up.id, approved, who)
        if top_up.rail != "manual":
            assert answer == "unknown"
        elif top_up.state != "pending":
            assert answer == top_up.state
        elif not approved:
            assert answer == "canceled"
            top_up.state = "canceled"
        elif who == "ada":
            assert answer == "same_person"
        elif self._closed(top_up.organization):
            assert answer == "closed"
        else:
            assert answer == "credited"
            self._credit(top_up)

    def _credit(self, top_up: TopUp) -> None:
        top_up.state = "credited"
        wallet: Account = ("wallet", top_up.organization)
        top_up.group = self.books.post("top_up", top_up.id, (platform("external_clearing"), wallet, top_up.amount))

    # -- refunds

    @step(
        4,
        when=lambda self: any(hold.is_settled for hold in self.books.holds.values()),
        place=pick,
        amount=amounts,
        share=steps.integers(1, 3),
        further=steps.booleans(),
        clawback=steps.booleans(),
    )
    def refund(self, place: int, amount: int, share: int, further: bool, clawback: bool) -> None:
        """At most what was charged, less what went back already; often a further part. Again it is the same refund."""
        hold = self.refunds[-1].hold if further and self.refunds else self.some(place, "settled", "late")
        left = self._refundable(hold)
        wanted = resolve(amount, left) if share == 1 else left // share
        asked = Refund(id=self.new_id(), hold=hold, amount=max(wanted, 1), clawback=clawback)
        values = (asked.id, hold.id, asked.amount, clawback, "quality", "n", "ada", ALONE)
        answer = self.ask("billing_refund_settlement", *values)
        if self._closed(hold.payer) or asked.amount > left:
            assert answer == ("closed" if self._closed(hold.payer) else "too_much")
            return
        assert answer == ("requested" if asked.amount > ALONE else "made")
        assert self.ask("billing_refund_settlement", *values) == answer
        other = (asked.id, hold.id, asked.amount + 1, *values[3:])
        assert self.ask("billing_refund_settlement", *other) == "conflict"
        self.refunds.append(asked)
        if answer == "made":
            self._make_refund(asked)

    @step(
        2,
        when=lambda self: self.refunds,
        place=pick,
        approved=steps.booleans(),
        who=steps.sampled_from(["ada", "grace", "grace"]),
    )
    def decide_refund(self, place: int, approved: bool, who: str) -> None:
        """A second person's word."""
        asked = self.refunds[-1 - place % len(self.refunds)]
        answer = self.ask("billing_decide_refund", asked.id, approved, who)
        if asked.state != "requested":
            assert answer == asked.state
        elif not approved:
            assert answer == "rejected"
            asked.state = "rejected"
        elif who == "ada":
            assert answer == "same_person"
        elif self._closed(asked.hold.payer):
            assert answer == "closed"
        elif self._was_reversed(asked.hold):
            assert answer == "too_much"
        else:
            assert answer == "made"
            self._make_refund(asked)

    def _refundable(self, hold: Hold) -> int:
        if self._was_reversed(hold):
            return 0
        return hold.charged - sum(r.amount for r in self.refunds if r.hold is hold and self._counts(r))

    def _counts(self, refund: Refund) -> bool:
        return refund.state != "rejected" and not (refund.group and self.books.reversal_of(refund.group))

    def _was_reversed(self, hold: Hold) -> bool:
        return any(group.hold is hold and self.books.reversal_of(group) for group in self.books.journal)

    def _make_refund(self, asked: Refund) -> None:
        hold, part, earned = asked.hold, 0, 0
        if asked.clawback:
            made = [r for r in self.refunds if r.hold is hold and r.clawback and r.state == "made" and self._counts(r)]
            before = sum(r.amount for r in made)
            share = hold.creator_share
            part = (before + asked.amount) * share // hold.charged - before * share // hold.charged
        wallet, earnings = ("wallet", hold.payer), ("creator_earnings", hold.creator)
        earned = min(part, max(self.books.balance(earnings), 0)) if part else 0
        expense = platform("refund_contra" if asked.clawback else "promo_expense")
        asked.state = "made"
        asked.group = self.books.post(
            "refund", asked.id, (expense, wallet, asked.amount - part), (earnings, wallet, earned),
            (("creator_clawback", hold.creator), wallet, part - earned),
        )  # fmt: skip

    # -- grants

    @step(
        3,
        payer=whose,
        amount=steps.one_of(steps.integers(0, ALONE - 1), small),
        paid=steps.booleans(),
        rank=steps.integers(1, 2),
        days=steps.sampled_from([None, 5, 9]),
    )
    def give(self, payer: int, amount: int, paid: bool, rank: int, days: int | None) -> None:
        """Credit that is spent before anything else."""
        lot = Lot(id=self.new_id(), organization=ORGANIZATIONS[payer], amount=amount + 1, paid=paid, priority=rank,
                  expires=days, number=self.number)  # fmt: skip
        values = (lot.id, lot.organization, "promo", lot.amount, "paid" if paid else "zero", rank)
        call = "SELECT billing_give(%s, %s, %s, %s, %s, %s, now() + make_interval(days => %s), 'r', 'ada', %s)"
        answers = {self.database.execute(call, (*values, days, ALONE)).fetchone() for _ in range(2)}
        if self._closed(lot.organization):
            assert answers == {("closed",)}
            return
        assert answers == {("requested" if lot.amount > ALONE else "given",)}
        self.books.lots.append(lot)
        if lot.amount <= ALONE:
            self._give(lot)

    @step(
        2,
        when=lambda self: self.books.lots,
        place=pick,
        approved=steps.booleans(),
        who=steps.sampled_from(["ada", "grace", "grace"]),
    )
    def decide_grant(self, place: int, approved: bool, who: str) -> None:
        """A second person's word."""
        lot = self.books.lots[-1 - place % len(self.books.lots)]
        answer = self.ask("billing_decide_grant", lot.id, approved, who)
        if lot.state != "requested":
            assert answer == lot.state
        elif not approved:
            assert answer == "rejected"
            lot.state = "rejected"
        elif who == "ada" or self._closed(lot.organization):
            assert answer == ("same_person" if who == "ada" else "closed")
        else:
            assert answer == "given"
            self._give(lot)

    def _give(self, lot: Lot) -> None:
        lot.state = "given"
        self.books.post("grant", lot.id, (platform("promo_expense"), ("wallet", lot.organization), lot.amount))

    @step(2, payer=whose, most=steps.integers(1, 4))
    def attribute(self, payer: int, most: int) -> None:
        """Work out what was spent of which grant: in parts, in the end all of it."""
        self._attribute(ORGANIZATIONS[payer], most)

    def finish(self) -> None:
        """Of every grant was spent what was spent of it on paper."""
        super().finish()
        for organization in ORGANIZATIONS:
            self._attribute(organization, 100)
        self.check()

    def _attribute(self, organization: UUID, most: int) -> None:
        while self.ask("billing_attribute", organization, most) == most:
            pass
        found = {id: (state, used) for id, state, used in self.rows(GRANTS)}
        for lot in self.books.lots:
            if lot.organization == organization:
                assert found[lot.id] == (lot.state, lot.used)

    @step(2, when=lambda self: any(lot.state == "given" for lot in self.books.lots), place=pick)
    def expire_grant(self, place: int) -> None:
        """Not before its time comes; what open holds may still spend is left to them."""
        given = [lot for lot in self.books.lots if lot.state == "given"]
        lot = given[place % len(given)]
        self.ask("billing_attribute", lot.organization, 100_000)
        if not lot.due:
            assert self.ask("billing_expire_grant", lot.id) == 0
        self.database.execute("SET LOCAL session_replication_role = replica")
        self.database.execute("UPDATE billing_grant SET expires_at = now() WHERE id = %s", (lot.id,))
        self.database.execute("SET LOCAL session_replication_role = origin")
        lot.due = True
        wallet: Account = ("wallet", lot.organization)
        rest = min(lot.amount - lot.used, self.books.balance(wallet)) - self.books.pending(lot.organization)
        assert self.ask("billing_expire_grant", lot.id) == max(rest, 0)
        if rest > 0:
            income = platform("breakage_income" if lot.paid else "promo_expense")
            self.books.post("grant_expiry", f"{lot.id}:{lot.used}", (wallet, income, rest), is_spending=False)
            lot.used += rest

    def _closed(self, organization: UUID) -> bool:
        return self.books.wallets[organization].status == "closed"
