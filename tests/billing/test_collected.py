"""What a gateway collects: what each payment cost is booked once, and none is asked about for ever."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing import collected, figures, ledger, payments
from billing.models import TransferGroup
from tests import make
from tests.billing import figures as hours
from tests.billing import money
from tests.billing.cards import DOLLAR, begun, let_time_pass, paid, tell, top_up
from tests.fakes.stripe import FakeStripe

CENT = DOLLAR // 100


def asked(company: FakeStripe) -> int:
    """How often it was asked for a session."""
    return sum(path.startswith("/v1/checkout/sessions/") for method, path in company.requests if method == "GET")


def test_what_a_payment_cost_is_booked_with_it(company: FakeStripe, acme: Any) -> None:
    books, session = money.Books(), begun(acme, company)
    told = company.pay(session)
    company.charge(session, fee=103)

    answers = [tell(company.event("checkout.session.completed", told)) for _ in range(3)]

    assert {answer.status for answer in answers} == {200}
    assert ledger.balance(acme.id).posted == 25 * DOLLAR
    assert (books.change("payment_fees"), books.change("external_clearing")) == (103 * CENT, 25 * DOLLAR - 103 * CENT)
    assert top_up(session).fee == 103 * CENT
    assert money.broken_rules() == {}


def test_a_fee_that_stripe_writes_down_later_is_booked_later_once(company: FakeStripe, acme: Any) -> None:
    books, session = money.Books(), paid(acme, company)
    let_time_pass()
    payments.look_after_pending()
    assert (books.change("payment_fees"), top_up(session).fee) == (0, None)

    company.charge(session, fee=103)
    for _ in range(3):
        let_time_pass()
        payments.look_after_pending()

    assert (books.change("payment_fees"), top_up(session).fee) == (103 * CENT, 103 * CENT)
    with money.everything():
        group = TransferGroup.objects.get(key=f"payment_fee:{top_up(session).pk}")
    assert (group.kind, group.organization_id) == ("payment_fee", None)


def test_a_payment_that_cost_nothing_is_asked_about_no_more(company: FakeStripe, acme: Any) -> None:
    session = paid(acme, company)
    company.charge(session, fee=0)
    let_time_pass()
    payments.look_after_pending()
    company.requests.clear()

    let_time_pass()
    payments.look_after_pending()

    assert (top_up(session).fee, asked(company)) == (0, 0)


def test_a_fee_in_another_currency_is_left_to_staff(company: FakeStripe, acme: Any) -> None:
    books, session = money.Books(), paid(acme, company)
    company.charge(session, fee=95, currency="eur")
    for _ in range(2):
        let_time_pass()
        payments.look_after_pending()

    assert (top_up(session).fee, top_up(session).fee_problem) == (None, "another_currency")
    assert books.change("payment_fees") == 0


def test_fees_lessen_the_profit_and_not_the_margin(company: FakeStripe, acme: Any) -> None:
    day = datetime.now(UTC) - timedelta(hours=2), datetime.now(UTC) + timedelta(hours=2)
    hours.caught_up()
    before = figures.profit(*day)
    company.charge(paid(acme, company), fee=103)
    let_time_pass()
    payments.look_after_pending()
    hours.caught_up()

    after = figures.profit(*day)

    assert (after.payment_fees - before.payment_fees, after.amount - before.amount) == (103 * CENT, -103 * CENT)
    assert after.usage.margin == before.usage.margin


def test_what_is_looked_at_waits_longer_each_time_and_lets_others_go_first(
    company: FakeStripe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collected, "AT_ONCE", 2)
    sessions = [begun(make.organization("Acme"), company) for _ in range(3)]
    let_time_pass()
    company.requests.clear()

    looked = []
    for _ in range(3):
        payments.look_after_pending()
        looked.append(asked(company))

    assert looked == [2, 3, 3]
    waits = [(top_up(session).next_look_at, top_up(session).looks) for session in sessions]
    assert {looks for _, looks in waits} == {1}
    let_time_pass()
    payments.look_after_pending()
    again = [top_up(session) for session in sessions if top_up(session).looks == 2]
    assert len(again) == 2
    assert min(row.next_look_at for row in again) > max(moment for moment, _ in waits)


def test_a_company_that_is_away_is_asked_once_a_round(company: FakeStripe) -> None:
    for _ in range(3):
        begun(make.organization("Acme"), company)
    let_time_pass()
    company.is_down = True
    company.requests.clear()

    payments.look_after_pending()

    assert asked(company) == 1


def test_a_payment_that_nobody_makes_ends_and_can_not_be_made_any_more(company: FakeStripe, acme: Any) -> None:
    session = begun(acme, company)
    let_time_pass(days=29)
    payments.look_after_pending()
    assert top_up(session).state == "pending"

    let_time_pass(days=1)
    payments.look_after_pending()

    assert top_up(session).state == "canceled"
    assert company.sessions[session]["status"] == "expired"


def test_a_payment_that_the_company_has_never_heard_of_ends(company: FakeStripe, acme: Any) -> None:
    session = begun(acme, company)
    del company.sessions[session]
    let_time_pass()
    payments.look_after_pending()
    assert top_up(session).state == "pending"

    let_time_pass(days=30)
    payments.look_after_pending()

    assert top_up(session).state == "failed"


def test_a_page_that_was_never_opened_ends(company: FakeStripe, acme: Any) -> None:
    from billing.errors import GatewayRefused
    from billing.models import TopUp

    company.is_down = True
    with pytest.raises(GatewayRefused):
        begun(acme, company)
    company.is_down = False

    let_time_pass(days=31)
    payments.look_after_pending()

    with money.everything():
        assert TopUp.objects.get(organization_id=acme.id).state == "canceled"


def test_a_slow_method_that_fails_ends_the_payment(company: FakeStripe, acme: Any) -> None:
    session = begun(acme, company)
    told = company.pay(session, payment_status="unpaid")
    assert tell(company.event("checkout.session.completed", told)).said["status"] == "pending"

    company.intents[told["payment_intent"]]["status"] = "requires_payment_method"

    assert tell(company.event("checkout.session.async_payment_failed", told)).said["status"] == "failed"


def test_what_was_given_up_and_is_paid_after_all_is_credited_once(company: FakeStripe, acme: Any) -> None:
    session = begun(acme, company)
    told = company.pay(session, payment_status="unpaid")
    let_time_pass(days=31)
    payments.look_after_pending()
    assert top_up(session).state == "failed"

    company.sessions[session]["payment_status"] = "paid"
    for _ in range(2):
        tell(company.event("checkout.session.async_payment_succeeded", told))

    assert (top_up(session).state, ledger.balance(acme.id).posted) == ("credited", 25 * DOLLAR)
    assert money.broken_rules() == {}
