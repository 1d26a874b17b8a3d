"""Creators are paid once, by two people, and money that comes back is theirs again."""

import csv
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connections

from billing import payouts, selectors
from billing.errors import InvalidPayoutAccount, NoSuchPayout, PayoutRefused
from billing.models import PayoutAccount, PayoutBatch
from billing.payouts import Answer, Destination, Terms
from tenants.context import organization_context, platform_context
from tenants.models import AuditEvent, Organization
from tenants.services import rotate_data_key, shred_secrets
from tests import make
from tests.billing import money, payday
from tests.billing.payday import DOLLAR

KINDS = ("creator_earnings", "creator_clawback", "payout_clearing", "cash", "payment_fees")


@pytest.fixture
def creator(globex: Organization) -> Organization:
    """Has earned $25.019999999, and an account to be paid to."""
    payday.earn(globex, 25_019_999_999)
    return payday.banked(globex)


class Moved:
    """What the accounts that payouts touch have gained since this was made."""

    def __init__(self) -> None:
        self._books = money.Books()

    def __call__(self) -> dict[str, int]:
        return {kind: self._books.change(kind) for kind in KINDS if self._books.change(kind)}


def earned(creator: Organization) -> int:
    with organization_context(creator.id):
        return selectors.earned(creator.id)


def test_a_payout_from_earnings_to_the_bank_with_every_balance_on_its_way(creator: Organization) -> None:
    moved = Moved()
    id = payday.calculated(creator)
    payout = payday.payout_of(id, creator)
    assert (payout.state, payout.amount, payout.amount_cents) == ("calculated", 25_010_000_000, 2_501)
    assert moved() == {}

    payouts.approve(id=id, actor="grace@example.test", reason="payday")
    assert payday.batch(id).state == "approved"
    assert moved() == {"creator_earnings": -25_010_000_000, "payout_clearing": 25_010_000_000}
    assert earned(creator) == 9_999_999

    payouts.mark_sent(id=id, actor="grace@example.test", reason="file 7 is with the bank")
    assert (payday.batch(id).state, payday.payout_of(id, creator).state) == ("sending", "sent")

    payday.report(payday.payout_of(id, creator), Answer(outcome="paid", fee_nanos=DOLLAR // 4))
    assert (payday.batch(id).state, payday.payout_of(id, creator).state) == ("closed", "paid")
    assert moved() == {
        "creator_earnings": -25_010_000_000, "cash": -25_260_000_000, "payment_fees": DOLLAR // 4,
    }  # fmt: skip
    assert money.broken_rules() == {}


def test_f60_a_payout_that_the_bank_returns_after_it_was_paid_is_the_creators_again(creator: Organization) -> None:
    moved = Moved()
    id = payday.approved(creator)
    payday.report(payday.payout_of(id, creator), Answer(outcome="paid"))

    for _ in range(2):
        payday.report(payday.payout_of(id, creator), Answer(outcome="returned", code="account_closed"))

    assert moved() == {}
    assert earned(creator) == 25_019_999_999
    returned = payday.payout_of(id, creator)
    assert (returned.state, returned.failure_code) == ("returned", "account_closed")
    assert payday.batch(id).state == "partially_failed"
    assert money.broken_rules() == {}

    again = payday.payout_of(payday.approved(creator), creator)
    assert again.amount == 25_010_000_000


def test_a_payout_that_fails_can_be_tried_again_and_goes_to_the_account_of_then(creator: Organization) -> None:
    id = payday.approved(creator)
    first = payday.payout_of(id, creator)
    payday.report(first, Answer(outcome="failed", code="name_mismatch"))
    assert earned(creator) == 25_019_999_999
    payday.banked(creator, holder="Globex Limited")

    for _ in range(2):
        payouts.retry(id=first.id, attempt=1, actor="grace@example.test", reason="the name is right now")

    second = payday.payout_of(id, creator)
    assert (second.state, second.attempt, second.amount) == ("pending", 2, first.amount)
    assert second.account_id != first.account_id
    assert second.external_ref != first.external_ref
    assert payday.batch(id).state == "approved"
    with pytest.raises(PayoutRefused, match="earlier attempt"):
        payday.report(first, Answer(outcome="paid"))
    payday.report(second, Answer(outcome="paid"))
    assert payday.batch(id).state == "closed"
    assert money.broken_rules() == {}


def test_a_batch_of_some_that_were_paid_and_some_that_failed_says_so(creator: Organization, acme: Organization) -> None:
    payday.earn(acme, 40 * DOLLAR)
    id = payday.approved(creator, payday.banked(acme))

    payday.report(payday.payout_of(id, creator), Answer(outcome="paid"))
    payday.report(payday.payout_of(id, acme), Answer(outcome="failed", code="closed"))

    assert payday.batch(id).state == "partially_failed"


def test_who_calculated_a_batch_cannot_approve_it(creator: Organization) -> None:
    id = payday.calculated(creator)

    with pytest.raises(PayoutRefused, match="Somebody else"):
        payouts.approve(id=id, actor="ada@example.test", reason="me too")

    with pytest.raises(IntegrityError, match="two_people"), connections["owner"].cursor() as cursor:
        cursor.execute(
            "UPDATE billing_payoutbatch SET approved_by = calculated_by, approved_at = now(), state = 'approved'"
            " WHERE id = %s",
            (id,),
        )


def test_c10_many_who_calculate_a_month_at_once_make_one_batch(creator: Organization) -> None:
    ids, period = [uuid4() for _ in range(6)], payday.a_month()
    payday.nobody_else_is_paid(creator)

    def calculate(id: Any) -> str:
        try:
            payouts.calculate(id=id, period=period, actor="ada@example.test", reason="race", on=payday.AT_ONCE)
        except PayoutRefused as refused:
            return refused.outcome
        finally:
            connections.close_all()
        return "calculated"

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(calculate, ids))

    assert sorted(answers) == ["calculated"] + ["taken"] * 5
    with money.everything():
        made = PayoutBatch.objects.filter(period=period)
        assert made.count() == 1


def test_c10_two_settlement_runs_at_once_pay_each_creator_once(creator: Organization, acme: Organization) -> None:
    """Each run does all of it, from calculating to what the bank said, beside another that does the same."""
    creators = [creator, payday.banked(acme), *(payday.banked(make.organization(f"Maker {n}")) for n in range(6))]
    payday.nobody_else_is_paid(*creators)
    for _ in range(5):
        for each in creators:
            payday.earn(each, 20 * DOLLAR)
        due = {each.id: payday.position(each).payable_nanos // 10**7 * 10**7 for each in creators}
        moved, period, start = Moved(), payday.a_month(), Barrier(2)

        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(settle_month, period, start, number) for number in range(2)]
            outcomes = sorted(run.result() for run in runs)

        assert outcomes == ["done", "taken"]
        with money.everything():
            (made,) = PayoutBatch.objects.filter(period=period)
            paid = {payout.organization_id: payout for payout in made.payouts.all()}
        assert made.state == "closed"
        assert {id: (payout.state, payout.amount) for id, payout in paid.items()} == {
            id: ("paid", amount) for id, amount in due.items()
        }
        assert moved() == {"creator_earnings": -sum(due.values()), "cash": -sum(due.values())}
    assert money.broken_rules() == {}


def settle_month(period: str, start: Barrier, number: int) -> str:
    """One of two runs of the same month: it draws up a batch, and settles whichever batch there is."""
    try:
        start.wait(10)
        outcome = "done"
        try:
            payouts.calculate(
                id=uuid4(), period=period, actor=f"ada{number}@example.test", reason="month end", on=payday.AT_ONCE
            )
        except PayoutRefused as refused:
            outcome = refused.outcome
        with platform_context(reason="settle"):
            (made,) = payouts.batches().filter(period=period)
            rows = list(made.payouts.order_by("id"))
        with suppress(PayoutRefused):  # the other one approved it under another name
            payouts.approve(id=made.pk, actor=f"grace{number}@example.test", reason="month end")
        payouts.mark_sent(id=made.pk, actor=f"grace{number}@example.test", reason="the bank has it")
        for row in rows:
            payouts.record(
                id=row.pk, attempt=1, answer=Answer(outcome="paid"), actor=f"grace{number}@example.test", reason="paid"
            )
        return outcome
    finally:
        connections.close_all()


def test_a_month_is_paid_once_unless_its_batch_was_cancelled(creator: Organization) -> None:
    id, period = uuid4(), payday.a_month()
    payday.nobody_else_is_paid(creator)
    again: dict[str, Any] = {"period": period, "actor": "ada@example.test", "reason": "payday", "on": payday.AT_ONCE}
    for _ in range(2):
        payouts.calculate(id=id, **again)
    with pytest.raises(PayoutRefused, match="batch of this month"):
        payouts.calculate(id=uuid4(), **again)
    with pytest.raises(PayoutRefused, match="contradicts"):
        payouts.calculate(id=id, **{**again, "period": payday.a_month()})
    with pytest.raises(PayoutRefused, match="waits to be approved"):
        payouts.calculate(id=uuid4(), **{**again, "period": payday.a_month()})

    for _ in range(2):
        payouts.cancel(id=id, actor="ada@example.test", reason="too early")

    other = uuid4()
    payouts.calculate(id=other, **again)
    payouts.cancel(id=other, actor="ada@example.test", reason="done")
    with pytest.raises(PayoutRefused, match="past that"):
        payouts.approve(id=id, actor="grace@example.test", reason="too late")
    with pytest.raises(NoSuchPayout):
        payouts.approve(id=uuid4(), actor="grace@example.test", reason="none")


def test_earnings_wait_and_new_creators_leave_a_reserve(creator: Organization) -> None:
    on = Terms(hold_back_days=7, minimum_nanos=10 * DOLLAR, reserve_basis_points=1_000, reserve_days=90, rail="manual")
    with organization_context(creator.id):
        fresh = payouts.position(creator.id, on=on)
    assert (fresh.balance_nanos, fresh.held_back_nanos, fresh.payable_nanos) == (25_019_999_999, 25_019_999_999, 0)

    payday.backdate(creator, days=8)
    payday.earn(creator, 5 * DOLLAR)
    with organization_context(creator.id):
        standing = payouts.position(creator.id, on=on)
    assert standing.held_back_nanos == 5 * DOLLAR
    assert standing.reserve_nanos == 2_502_000_000
    assert standing.payable_nanos == 22_517_999_999
    assert payday.payout_of(payday.approved(creator, on=on), creator).amount == 22_510_000_000

    payday.backdate(creator, days=90)
    with organization_context(creator.id):
        old = payouts.position(creator.id, on=on)
    assert (old.reserve_nanos, old.held_back_nanos) == (0, 0)
    assert old.payable_nanos == 25_019_999_999 + 5 * DOLLAR - 22_510_000_000


def test_what_is_too_small_or_has_no_account_waits(globex: Organization, acme: Organization) -> None:
    payday.earn(globex, 10 * DOLLAR - 1)
    payday.earn(acme, 50 * DOLLAR)

    id = payday.calculated(payday.banked(globex))

    assert payday.batch(id).count == 0
    payouts.approve(id=id, actor="grace@example.test", reason="nobody")
    assert payday.batch(id).state == "closed"


def test_what_a_creator_owes_back_is_kept_first(creator: Organization) -> None:
    payday.owe_back(creator, 5 * DOLLAR)
    moved = Moved()
    id = payday.approved(creator)

    payout = payday.payout_of(id, creator)
    assert (payout.clawback, payout.amount) == (5 * DOLLAR, 20_010_000_000)
    assert moved() == {
        "creator_earnings": -25_010_000_000, "creator_clawback": -5 * DOLLAR, "payout_clearing": 20_010_000_000,
    }  # fmt: skip

    payday.report(payout, Answer(outcome="failed", code="closed"))
    assert moved() == {"creator_earnings": -5 * DOLLAR, "creator_clawback": -5 * DOLLAR}


def test_earnings_that_are_gone_by_the_time_of_approval_fail_alone(creator: Organization, acme: Organization) -> None:
    payday.earn(acme, 40 * DOLLAR)
    id = payday.calculated(creator, payday.banked(acme))
    payday.owe_back(creator, 20 * DOLLAR)

    payouts.approve(id=id, actor="grace@example.test", reason="payday")

    assert (payday.payout_of(id, creator).state, payday.payout_of(id, creator).failure_code) == (
        "failed", "earnings_gone",
    )  # fmt: skip
    assert payday.payout_of(id, acme).state == "pending"
    with pytest.raises(PayoutRefused, match="no longer cover"):
        payouts.retry(id=payday.payout_of(id, creator).id, attempt=0, actor="grace@example.test", reason="again")
    assert earned(creator) == 25_019_999_999


def test_approving_at_once_and_twice_sets_the_money_aside_once(creator: Organization) -> None:
    id = payday.calculated(creator)
    moved = Moved()

    def approve(_: int) -> None:
        payouts.approve(id=id, actor="grace@example.test", reason="payday")
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(approve, range(4)))

    assert moved() == {"creator_earnings": -25_010_000_000, "payout_clearing": 25_010_000_000}
    with platform_context(reason="look"):
        recorded = sorted(AuditEvent.objects.filter(object_id=str(id)).values_list("action", flat=True))
    assert recorded == ["payout_batch.approved", "payout_batch.calculated"]


def test_the_banks_file_has_the_accounts_in_full_and_runs_nothing(globex: Organization) -> None:
    payday.earn(globex, 30 * DOLLAR)
    id = payday.approved(payday.banked(globex, holder='=HYPERLINK("http://evil") & Co'))

    with platform_context(reason="pay"):
        header, line = list(csv.reader("".join(payouts.bank_file(id)).splitlines()))

    assert header == ["reference", "holder", "account", "bank_code", "country", "amount", "currency", "text"]
    assert line[1:7] == [
        '\'=HYPERLINK("http://evil") & Co', "DE89370400440532013000", "COBADEFF", "DE", "30.00", "USD",
    ]  # fmt: skip
    assert line[0] == payday.payout_of(id, globex).external_ref


def test_nothing_leaves_before_it_is_approved(creator: Organization) -> None:
    id = payday.calculated(creator)

    with platform_context(reason="pay"), pytest.raises(PayoutRefused, match="not approved"):
        payouts.bank_file(id)
    with pytest.raises(PayoutRefused, match="not approved"):
        payouts.mark_sent(id=id, actor="ada@example.test", reason="early")
    with pytest.raises(PayoutRefused, match="contradicts"):
        payday.report(payday.payout_of(id, creator), Answer(outcome="paid"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", "DE89 3704 0044 0532 0130 01"), ("number", "12"), ("number", "1' OR 1=1"), ("holder", " "),
        ("holder", "x" * 71), ("holder", "two\x00lines"), ("bank_code", "../../etc"), ("country", "Germany"),
    ],
)  # fmt: skip
def test_an_account_that_cannot_be_paid_to_is_refused(globex: Organization, field: str, value: str) -> None:
    details = {"holder": "Globex", "number": payday.IBAN, "bank_code": "COBADEFF", "country": "DE", field: value}

    with organization_context(globex.id), pytest.raises(InvalidPayoutAccount):
        payouts.store_account(
            organization_id=globex.id, destination=Destination(**details), entered_by="owner@example.test"
        )


def test_an_account_is_sealed_and_survives_a_new_data_key_but_not_shredding(creator: Organization) -> None:
    with organization_context(creator.id):
        row = PayoutAccount.objects.get(replaced_at=None)
        assert b"3704" not in bytes(row.sealed)
        assert row.label == "Globex Ltd, account ending in 3000"
        assert rotate_data_key(creator.id) == 1
    id = payday.approved(creator)
    with platform_context(reason="pay"):
        assert "DE89370400440532013000" in "".join(payouts.bank_file(id))

    with organization_context(creator.id):
        shred_secrets(creator.id)
        assert PayoutAccount.objects.get(replaced_at=None).data_key is None


def test_a_neighbour_sees_no_payout_and_nobody_of_them_a_batch(creator: Organization, acme: Organization) -> None:
    id = payday.approved(creator)
    with organization_context(creator.id):
        assert [each.amount for each in payouts.history(creator.id)] == [25_010_000_000]
    with organization_context(acme.id):
        assert list(payouts.history(creator.id)) == []
        assert payouts.account_of(creator.id) is None
        assert payouts.position(creator.id).balance_nanos == 0
        with pytest.raises(DatabaseError), connections["default"].cursor() as cursor:
            cursor.execute("SELECT * FROM billing_payoutbatch WHERE id = %s", (id,))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_payout SET amount = amount * 2, amount_cents = amount_cents * 2",
        "UPDATE billing_payout SET state = 'paid', paid_at = now() WHERE state = 'calculated'",
        "DELETE FROM billing_payout", "DELETE FROM billing_payoutaccount", "TRUNCATE billing_payoutbatch CASCADE",
    ],
)  # fmt: skip
def test_not_even_the_owner_of_the_database_rewrites_a_payout(creator: Organization, statement: str) -> None:
    payday.calculated(creator)

    with pytest.raises(DatabaseError), connections["owner"].cursor() as cursor:
        cursor.execute(statement)
