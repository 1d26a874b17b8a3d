"""The end of a month, worked through as a bookkeeper would: what a customer is told, what a creator is paid.

Acme, January                      Acme, February
Opening balance        $0.00       Opening balance       $72.25
Top-ups             + $100.00      Refund of the run    + $10.00  (a correction of January)
Credit given          + $5.00      Adjustment            + $1.00
Usage                - $30.00      Usage                 - $3.25
Credit expired        - $2.75      Closing balance       $80.00
Closing balance       $72.25

Globex earned $20 of the usage, keeps it after the refund, and is paid it; the bank takes $0.25, the platform's.
"""

import csv
import io
import json
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from pypdf import PdfReader

import outbound
from billing import grants, outbox, payouts, refunds, statements, webhooks
from billing.models import OutboxEvent
from billing.payouts import Answer
from tenants.context import organization_context
from tenants.models import Organization
from tenants.roles import Role
from tests import make
from tests.billing import calendar, money, payday
from tests.billing.calendar import JANUARY
from tests.billing.payday import DOLLAR
from tests.fakes.receiver import Receiver, receiver

CENT = DOLLAR // 100


@pytest.fixture
def listener() -> Generator[Receiver]:
    """Somebody who listens, where the operator lets messages go."""
    with receiver() as heard:
        outbound.configure(allow=[heard.place])
        yield heard
        outbound.configure()


@pytest.fixture
def january(acme: Organization, globex: Organization) -> Any:
    """Acme's January, closed; answers the run that cost $30."""
    make.wallet(acme, 100 * DOLLAR)
    grants.give(
        id=uuid4(), organization_id=acme.id, source="promo", amount_nanos=5 * DOLLAR, reason="welcome", actor="ann"
    )
    run = money.hold(acme, 30 * DOLLAR, creator=globex)
    money.settle(run, cost=8 * DOLLAR, markup=20 * DOLLAR, fee=2 * DOLLAR)
    calendar.post(acme, "grant_expiry", -275 * CENT)
    calendar.happened(acme, datetime(2026, 1, 20, tzinfo=UTC))
    assert calendar.close(acme, JANUARY) == "closed"
    return run


def printed(organization: Organization, period: str) -> tuple[str, list[dict[str, str]]]:
    """What a statement says on paper, and its table."""
    with organization_context(organization.id):
        found = statements.statement(organization.id, period)
        assert found is not None
        pages = PdfReader(io.BytesIO(statements.pdf_of(found).pdf)).pages
        table = "".join(statements.csv_of(found))
    return "\n".join(page.extract_text() for page in pages), list(csv.DictReader(io.StringIO(table, newline="")))


def test_a_correction_of_january_is_in_february_and_january_stays_as_it_was(january: Any, acme: Organization) -> None:
    before = printed(acme, "2026-01")
    refunds.refund(
        id=uuid4(), hold_id=january, amount_nanos=10 * DOLLAR, clawback=False, reason="quality", remark="ticket 12",
        actor="ann@example.test",
    )  # fmt: skip
    calendar.post(acme, "adjustment", DOLLAR)
    money.settle(money.hold(acme, 5 * DOLLAR), markup=325 * CENT)
    assert calendar.close(acme, JANUARY.next) == "closed"

    first, second = calendar.of(acme)
    assert calendar.parts(first) == {
        "top_ups": 100 * DOLLAR, "grants": 5 * DOLLAR, "usage": 30 * DOLLAR, "expiries": 275 * CENT,
        "closing": 7_225 * CENT,
    }  # fmt: skip
    assert calendar.parts(second) == {
        "opening": 7_225 * CENT, "refunds": 10 * DOLLAR, "adjustments": DOLLAR, "usage": 325 * CENT,
        "closing": 80 * DOLLAR,
    }  # fmt: skip
    assert printed(acme, "2026-01") == before
    paper, table = printed(acme, "2026-02")
    for said in ("2026-02", "$72.25", "+$10.00", "+$1.00", "−$3.25", "$80.00"):
        assert said in paper
    assert [row["balance_usd"] for row in table] == ["82.250000000", "83.250000000", "80.000000000"]
    assert money.broken_rules() == {}


def test_the_creator_of_january_is_paid_and_the_bank_takes_its_fee_of_the_platform(
    january: Any, globex: Organization
) -> None:
    books = money.Books()
    batch = payday.approved(payday.banked(globex))
    payouts.mark_sent(id=batch, actor="grace@example.test", reason="file 1")

    payday.report(payday.payout_of(batch, globex), Answer(outcome="paid", fee_nanos=25 * CENT))

    assert {kind: books.change(kind) for kind in ("creator_earnings", "payout_clearing", "cash", "payment_fees")} == {
        "creator_earnings": -20 * DOLLAR, "payout_clearing": 0, "cash": -2_025 * CENT, "payment_fees": 25 * CENT,
    }  # fmt: skip
    assert payday.batch(batch).state == "closed"
    assert payday.position(globex).payable_nanos == 0
    assert money.broken_rules() == {}


def test_a_statement_that_was_printed_is_told_once_to_who_listens_and_by_mail(
    acme: Organization, january: Any, listener: Receiver
) -> None:
    owner = make.member(acme, Role.OWNER).user
    with organization_context(acme.id):
        webhooks.add_endpoint(url=listener.url, topics=("statement.ready",))

    statements.print_due(limit=10_000)
    statements.print_due(limit=10_000)
    outbox.relay()

    (message,) = listener.messages
    body = json.loads(message.body)
    assert body["type"] == "statement.ready"
    assert body["data"] == {"period": "2026-01", "closing_nanos": "72250000000", "usage_nanos": "30000000000"}
    assert [each.subject for each in mail.outbox if each.to == [owner.email]] == ["Your statement for 2026-01 is ready"]


def test_payouts_are_told_when_they_are_paid_and_when_they_come_back(globex: Organization, listener: Receiver) -> None:
    payday.earn(payday.banked(globex), 20 * DOLLAR)
    owner = make.member(globex, Role.OWNER).user
    with organization_context(globex.id):
        webhooks.add_endpoint(url=listener.url, topics=("payout.paid", "payout.failed"))
    batch = payday.approved(globex)

    for answer in (Answer(outcome="paid"), Answer(outcome="paid"), Answer(outcome="returned", code="account_closed")):
        payday.report(payday.payout_of(batch, globex), answer)
    outbox.relay()

    heard = {(body := json.loads(message.body))["type"]: body["data"] for message in listener.messages}
    assert len(listener.messages) == 2
    payout = payday.payout_of(batch, globex)
    about = {"payout_id": str(payout.id), "period": payout.period, "amount_nanos": "20000000000"}
    assert heard == {
        "payout.paid": about, "payout.failed": {**about, "state": "returned", "reason": "account_closed"},
    }  # fmt: skip
    told = {each.subject: each.body for each in mail.outbox if each.to == [owner.email]}
    assert "$20.00" in told["A payout of $20.00 is on its way"]
    assert "account_closed" in told["A payout of $20.00 failed"]


def test_a_month_that_no_one_printed_tells_nobody_yet(acme: Organization, january: Any) -> None:
    with money.everything():
        assert not OutboxEvent.objects.filter(organization_id=acme.id, topic="statement.ready").exists()
