"""A payment provider may refuse, be silent, or answer twice, and we may die at any step: each creator is paid once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from billing import payouts
from billing.errors import PayoutRefused
from billing.payouts import Answer, Order
from tenants.models import Organization
from tests.billing import money, payday
from tests.billing.payday import DOLLAR, THROUGH_A_PROVIDER, Bank


class Killed(BaseException):
    """What kill -9 is to the code in its way: nothing after it runs."""


@pytest.fixture
def creator(globex: Organization) -> Organization:
    payday.earn(globex, 25 * DOLLAR)
    return payday.banked(globex)


def kills(_: Answer) -> Answer:
    """The bank did it; we died before we heard."""
    raise Killed


class DeadOnArrival(Bank):
    """We die before the bank hears of anything."""

    def send(self, order: Order) -> Answer:
        raise Killed


def test_a_payout_is_sent_once_looked_after_and_booked(creator: Organization) -> None:
    id, bank = payday.approved(creator, on=THROUGH_A_PROVIDER), Bank()

    assert payouts.send_due(bank) == 1
    assert payouts.send_due(bank) == 0

    sent = payday.payout_of(id, creator)
    assert (sent.state, sent.external_ref) == ("sent", bank.sent[f"payout:{sent.id}:1"].external_ref)
    assert (bank.orders[0].amount_cents, bank.orders[0].destination.number) == (2_500, "DE89370400440532013000")
    bank.state = Answer(outcome="paid", external_ref=sent.external_ref, fee_nanos=250_000_000)
    payday.let_time_pass(sent)
    assert payouts.send_due(bank) == 1
    assert (payday.payout_of(id, creator).state, payday.batch(id).state) == ("paid", "closed")
    assert len(bank.orders) == 1
    assert money.broken_rules() == {}


def test_a_provider_that_refuses_gives_the_money_back(creator: Organization) -> None:
    books = money.Books()
    id = payday.approved(creator, on=THROUGH_A_PROVIDER)

    payouts.send_due(Bank(payday.refuses))

    failed = payday.payout_of(id, creator)
    assert (failed.state, failed.failure_code) == ("failed", "account_unknown")
    assert payday.batch(id).state == "partially_failed"
    assert (books.change("creator_earnings"), books.change("payout_clearing")) == (0, 0)

    payouts.retry(id=failed.id, attempt=1, actor="grace@example.test", reason="the account is right now")
    bank = Bank()
    payouts.send_due(bank)
    assert list(bank.sent) == [f"payout:{failed.id}:2"]


def test_a_provider_that_is_silent_is_asked_the_same_again_later(creator: Organization) -> None:
    id, bank = payday.approved(creator, on=THROUGH_A_PROVIDER), Bank(payday.times_out, payday.times_out)
    waits = []
    for _ in range(2):
        payday.let_time_pass(payday.payout_of(id, creator))
        payouts.send_due(bank)
        waiting = payday.payout_of(id, creator)
        assert (waiting.state, waiting.external_ref) == ("sent", None)
        assert waiting.next_attempt_at is not None
        waits.append(waiting.next_attempt_at)
        assert payouts.send_due(bank) == 0

    payday.let_time_pass(payday.payout_of(id, creator))
    payouts.send_due(bank)

    assert len({order.key for order in bank.orders}) == 1
    assert len(bank.sent) == 1
    assert payday.payout_of(id, creator).external_ref is not None
    assert waits[0] < waits[1]


def test_a_provider_that_answers_twice_pays_once(creator: Organization) -> None:
    id, bank = payday.approved(creator, on=THROUGH_A_PROVIDER), Bank()
    books = money.Books()
    payouts.send_due(bank)
    sent = payday.payout_of(id, creator)

    for _ in range(3):
        payday.report(sent, Answer(outcome="paid", external_ref=sent.external_ref, fee_nanos=DOLLAR))

    assert (books.change("cash"), books.change("payment_fees")) == (-26 * DOLLAR, DOLLAR)
    with pytest.raises(PayoutRefused, match="contradicts"):
        payday.report(sent, Answer(outcome="failed", code="changed its mind"))
    with pytest.raises(PayoutRefused, match="contradicts"):
        payday.report(sent, Answer(outcome="returned", external_ref="another", code="x"))


def test_two_payouts_never_share_a_reference_of_the_provider(creator: Organization, acme: Organization) -> None:
    payday.earn(acme, 40 * DOLLAR)
    id = payday.approved(creator, payday.banked(acme), on=THROUGH_A_PROVIDER)
    payday.report(payday.payout_of(id, creator), Answer(outcome="accepted", external_ref=f"tr_{id}"))

    with pytest.raises(PayoutRefused, match="contradicts"):
        payday.report(payday.payout_of(id, acme), Answer(outcome="paid", external_ref=f"tr_{id}"))

    assert payday.payout_of(id, acme).state == "pending"


@pytest.mark.parametrize("first", [DeadOnArrival(), Bank(kills)], ids=["before the bank hears", "before we hear"])
def test_whoever_dies_with_a_payout_leaves_it_to_the_next(creator: Organization, first: Bank) -> None:
    id = payday.approved(creator, on=THROUGH_A_PROVIDER)
    books = money.Books()
    with pytest.raises(Killed):
        payouts.send_due(first)
    assert payouts.send_due(first) == 0

    payday.let_time_pass(payday.payout_of(id, creator))
    second = Bank()
    second.sent = first.sent
    payouts.send_due(second)

    sent = payday.payout_of(id, creator)
    assert len(second.sent) == 1
    second.state = Answer(outcome="paid", external_ref=sent.external_ref)
    payday.let_time_pass(sent)
    payouts.send_due(second)
    assert payday.payout_of(id, creator).state == "paid"
    assert books.change("cash") == -25 * DOLLAR
    assert money.broken_rules() == {}


def test_many_workers_at_once_ask_for_each_payout_once(creator: Organization, acme: Organization) -> None:
    payday.earn(acme, 40 * DOLLAR)
    payday.approved(creator, payday.banked(acme), on=THROUGH_A_PROVIDER)
    bank = Bank()

    def work(_: int) -> int:
        try:
            return payouts.send_due(bank)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert sorted(order.amount_cents for order in bank.orders) == [2_500, 4_000]


def test_destroyed_secrets_fail_the_payout_rather_than_the_worker(creator: Organization) -> None:
    id = payday.approved(creator, on=THROUGH_A_PROVIDER)
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE billing_payoutaccount SET data_key_id = NULL WHERE organization_id = %s", (creator.id,))

    payouts.send_due(Bank())

    failed = payday.payout_of(id, creator)
    assert (failed.state, failed.failure_code) == ("failed", "account_unreadable")
    with pytest.raises(PayoutRefused, match="no account"):
        payouts.retry(id=failed.id, attempt=1, actor="grace@example.test", reason="again")
