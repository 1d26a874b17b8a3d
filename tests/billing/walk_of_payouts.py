"""Random steps over what creators are paid: batches, payouts on their way, and money that comes back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tests.billing import steps
from tests.billing.paper_books import Books
from tests.billing.paper_holds import Account, Group, platform
from tests.billing.steps import step
from tests.billing.walk import CENT, ORGANIZATIONS, Database, pick
from tests.billing.walk_of_payments import Payments

HOLD_BACK_DAYS, RESERVE_DAYS, DAYS = 7, 25, 10
MADE = "SELECT id, organization_id, amount, clawback FROM billing_payout WHERE batch_id = %s"
PAYOUTS = "SELECT id, state, amount, clawback, fee, attempt FROM billing_payout"
BATCHES = "SELECT id, state FROM billing_payoutbatch"
UNDER_WAY = ("pending", "sent")


@dataclass(eq=False, kw_only=True)
class Payout:
    id: UUID
    organization: UUID
    amount: int
    clawback: int
    state: str = "calculated"
    fee: int = 0
    attempt: int = 0
    was_sent: bool = False
    group: Group | None = None


@dataclass(eq=False, kw_only=True)
class Batch:
    """A month's payouts, and on which terms."""

    id: UUID
    period: str
    rail: str
    minimum: int
    reserve_bps: int
    state: str = "calculated"
    approved_by: str = ""
    payouts: list[Payout] = field(default_factory=list)

    def conclude(self) -> None:
        """A batch is as far as its payouts are."""
        states = {payout.state for payout in self.payouts}
        if states & set(UNDER_WAY):
            self.state = "sending" if any(payout.was_sent for payout in self.payouts) else "approved"
        else:
            self.state = "partially_failed" if states & {"failed", "returned"} else "closed"


def payable(books: Books, creator: UUID, reserve_bps: int) -> tuple[int, int]:
    """What may be paid to a creator now, and what is kept of its earnings for refunds."""
    earnings: Account = ("creator_earnings", creator)
    earned = [
        (group.days, amount)
        for group in books.journal if group.kind in ("settlement", "late_settlement")
        for _, to, amount in group.lines if to == earnings
    ]  # fmt: skip
    young = sum(amount for days, amount in earned if days <= HOLD_BACK_DAYS)
    old = sum(amount for days, amount in earned if days > HOLD_BACK_DAYS)
    is_new = bool(earned) and max(days for days, _ in earned) < RESERVE_DAYS
    reserve = -(-old * reserve_bps // 10_000) if is_new else 0
    clawback = -books.balance(("creator_clawback", creator))
    return max(books.balance(earnings) - young - reserve - clawback, 0), clawback


class Payouts(Payments):
    """Money out."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.batches: list[Batch] = []

    @property
    def payouts(self) -> list[Payout]:
        """All of them, the newest last."""
        return [payout for batch in self.batches for payout in batch.payouts]

    @step(2)
    def earnings_age(self) -> None:
        """Days go by. The database's clock stands still, so what happened goes back in time instead."""
        self.database.execute("SET LOCAL session_replication_role = replica")
        self.database.execute(
            "UPDATE billing_transfer SET created_at = created_at - make_interval(days => %s)", (DAYS,)
        )
        self.database.execute("SET LOCAL session_replication_role = origin")
        for group in self.books.journal:
            group.days += DAYS

    @step(
        3, month=steps.integers(1, 9), by_hand=steps.booleans(), minimum=steps.sampled_from([0, 2 * CENT]),
        reserve_bps=steps.sampled_from([0, 1_500]),
    )  # fmt: skip
    def calculate(self, month: int, by_hand: bool, minimum: int, reserve_bps: int) -> None:
        """One batch a month, and one at a time."""
        batch = Batch(id=self.new_id(), period=f"2030-{month:02}", rail="manual" if by_hand else "gateway",
                      minimum=minimum, reserve_bps=reserve_bps)  # fmt: skip
        values = (batch.id, batch.period, batch.rail, "ada", HOLD_BACK_DAYS, minimum, reserve_bps, RESERVE_DAYS)
        answers = [self.ask("billing_calculate_payouts", *values) for _ in range(2)]
        if any(other.period == batch.period and other.state != "cancelled" for other in self.batches):
            assert answers == ["taken", "taken"]
        elif any(other.state == "calculated" for other in self.batches):
            assert answers == ["unfinished", "unfinished"]
        else:
            assert answers == ["calculated", "repeated"]
            self.batches.append(batch)
            self._write_down(batch)

    def _write_down(self, batch: Batch) -> None:
        due = {creator: payable(self.books, creator, batch.reserve_bps) for creator in ORGANIZATIONS}
        wanted = {
            (creator, amount // CENT * CENT, clawback)
            for creator, (amount, clawback) in due.items()
            if amount >= max(batch.minimum, CENT)
        }
        made = self.rows(MADE, batch.id)
        assert {tuple(rest) for _, *rest in made} == wanted
        batch.payouts = [
            Payout(id=id, organization=creator, amount=amount, clawback=clawback)
            for id, creator, amount, clawback in made
        ]

    @step(3, when=lambda self: self.batches, place=pick, who=steps.sampled_from(["ada", "grace", "grace"]))
    def approve(self, place: int, who: str) -> None:
        """Another person's word; what a creator no longer has fails, and alone."""
        batch = self.batches[-1 - place % 2 % len(self.batches)]
        answer = self.ask("billing_approve_payouts", batch.id, who)
        if batch.state != "calculated":
            assert answer == ("repeated" if batch.approved_by == who else "not_calculated")
        elif who == "ada":
            assert answer == "same_person"
        else:
            assert answer == "approved"
            batch.approved_by = who
            for payout in batch.payouts:
                self._set_aside(batch, payout)
            batch.conclude()

    def _set_aside(self, batch: Batch, payout: Payout) -> bool:
        amount, clawback = payable(self.books, payout.organization, batch.reserve_bps)
        if amount < payout.amount:
            payout.state = "failed"
            return False
        earnings: Account = ("creator_earnings", payout.organization)
        owed: Account = ("creator_clawback", payout.organization)
        payout.state, payout.attempt, payout.clawback = "pending", payout.attempt + 1, clawback
        payout.group = self.books.post(
            "payout", f"{payout.id}:{payout.attempt}",
            (earnings, owed, clawback), (earnings, platform("payout_clearing"), payout.amount),
        )  # fmt: skip
        return True

    @step(when=lambda self: self.batches, place=pick)
    def cancel(self, place: int) -> None:
        """Only what nobody has approved."""
        batch = self.batches[-1 - place % len(self.batches)]
        answer = self.ask("billing_cancel_payouts", batch.id)
        if batch.state == "calculated":
            assert answer == "cancelled"
            batch.state = "cancelled"
            for payout in batch.payouts:
                payout.state = "cancelled"
        else:
            assert answer == ("repeated" if batch.state == "cancelled" else "not_calculated")

    @step(2, when=lambda self: self.batches, place=pick)
    def send(self, place: int) -> None:
        """By hand the whole batch, through a provider whatever is due."""
        batch = self.batches[-1 - place % 2 % len(self.batches)]
        answer = self.ask("billing_send_payouts", batch.id)
        pending = [payout for payout in batch.payouts if payout.state == "pending"]
        if batch.rail != "manual":
            assert answer == "not_manual"
            self._claim()
        elif batch.state in ("calculated", "cancelled"):
            assert answer == "not_approved"
        else:
            assert answer == ("sent" if pending else "repeated")
            self._sent(batch, pending)

    def _claim(self) -> None:
        self.database.execute("UPDATE billing_payout SET next_attempt_at = now() WHERE rail = 'gateway'")
        claimed = dict(self.rows("SELECT id, attempt FROM billing_claim_payouts(50)"))
        due = [(batch, [payout for payout in batch.payouts if payout.state in UNDER_WAY])
               for batch in self.batches if batch.rail == "gateway"]  # fmt: skip
        assert claimed == {payout.id: payout.attempt for _, payouts in due for payout in payouts}
        for batch, payouts in due:
            self._sent(batch, payouts)

    def _sent(self, batch: Batch, payouts: Sequence[Payout]) -> None:
        for payout in payouts:
            payout.state, payout.was_sent = "sent", True
        if payouts:
            batch.conclude()

    @step(
        5, when=lambda self: self.payouts, place=pick, fee=steps.integers(0, 2), off=steps.integers(0, 9),
        outcome=steps.sampled_from(["accepted", "paid", "paid", "failed", "returned"]),
    )  # fmt: skip
    def record(self, place: int, fee: int, off: int, outcome: str) -> None:
        """What became of a payout: each answer comes twice, now and then one about an earlier attempt, or another."""
        batch, payout = self._some_payout(place)
        reference = "another" if off == 1 else None if batch.rail == "manual" else f"{payout.id}:{payout.attempt}"
        attempt = payout.attempt - (off == 0)
        values = (payout.id, attempt, outcome, reference, fee, "r", "grace")
        expected = self._expected(batch, payout, outcome, is_stale=off == 0, is_other=off == 1)
        assert self.ask("billing_record_payout", *values) == expected
        if expected == "recorded":
            self._record(batch, payout, outcome, fee)
            assert self.ask("billing_record_payout", *values) == "repeated"

    def _expected(self, batch: Batch, payout: Payout, outcome: str, *, is_stale: bool, is_other: bool) -> str:
        if is_stale:
            return "stale"
        if payout.state == outcome or (outcome == "accepted" and payout.state in ("paid", "failed", "returned")):
            return "repeated"
        if payout.state not in UNDER_WAY and (payout.state, outcome) != ("paid", "returned"):
            return "conflict"
        return "conflict" if is_other and batch.rail == "manual" else "recorded"

    def _record(self, batch: Batch, payout: Payout, outcome: str, fee: int) -> None:
        cash, clearing = platform("cash"), platform("payout_clearing")
        if outcome == "accepted":
            payout.state, payout.was_sent = "sent", True
        elif outcome == "paid":
            group = self.books.post("payout", payout.id, (clearing, cash, payout.amount),
                                    (platform("payment_fees"), cash, fee))  # fmt: skip
            group.key = f"payout_paid:{payout.id}:{payout.attempt}"
            payout.state, payout.was_sent, payout.fee = "paid", True, payout.fee + fee
        else:
            back = cash if payout.state == "paid" else clearing
            self.books.post(
                "payout_return", f"{payout.id}:{payout.attempt}",
                (back, ("creator_earnings", payout.organization), payout.amount), reverses=payout.group,
            )  # fmt: skip
            payout.state = outcome
        batch.conclude()

    @step(2, when=lambda self: any(payout.state == "failed" for payout in self.payouts), place=pick)
    def retry(self, place: int) -> None:
        """What failed is set aside anew, if it is there."""
        batch, payout = self._some_payout(place, "failed")
        attempt = payout.attempt
        is_there = payable(self.books, payout.organization, batch.reserve_bps)[0] >= payout.amount
        assert self.ask("billing_retry_payout", payout.id, attempt + 1, "grace") == "not_failed"
        assert self.ask("billing_retry_payout", payout.id, attempt, "grace") == (
            "pending" if is_there else "insufficient"
        )
        if self._set_aside(batch, payout):
            batch.conclude()
            assert self.ask("billing_retry_payout", payout.id, attempt, "grace") == "repeated"

    def _some_payout(self, place: int, *states: str) -> tuple[Batch, Payout]:
        known = [(batch, payout) for batch in reversed(self.batches) for payout in batch.payouts]
        fitting = [one for one in known if one[1].state in states] or known
        return fitting[place % len(fitting)]

    def check(self) -> None:
        """Payouts and their batches, too."""
        super().check()
        payouts = {id: tuple(rest) for id, *rest in self.rows(PAYOUTS)}
        assert payouts == {p.id: (p.state, p.amount, p.clawback, p.fee, p.attempt) for p in self.payouts}
        assert dict(self.rows(BATCHES)) == {batch.id: batch.state for batch in self.batches}
