"""A month is closed once; it adds up, begins where the one before ended, and each transfer is in exactly one."""

import csv
import hashlib
import io
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event
from uuid import uuid4

import pytest
from django.db import DatabaseError, connections
from pypdf import PdfReader

from billing import ledger, statements, top_ups
from billing.models import OutboxEvent
from billing.months import Month
from tenants.context import organization_context
from tenants.models import Organization
from tenants.services import set_time_zone
from tests import make
from tests.billing import calendar, money
from tests.billing.calendar import JANUARY

DOLLAR = 10**9


def spend(payer: Organization, nanos: int) -> None:
    money.settle(money.hold(payer, nanos), markup=nanos)


@pytest.fixture
def payer(acme: Organization) -> Organization:
    """Had $100 on 5 January 2026, and spent $30.000000001 on the 31st."""
    make.wallet(acme, 100 * DOLLAR)
    calendar.happened(acme, datetime(2026, 1, 5, tzinfo=UTC))
    spend(acme, 30 * DOLLAR + 1)
    calendar.happened(acme, datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC))
    return acme


def test_months_are_caught_up_in_order_from_the_first_that_moved_money(payer: Organization) -> None:
    spend(payer, 20 * DOLLAR)
    calendar.happened(payer, datetime(2026, 3, 15, tzinfo=UTC))

    statements.close_due(limit=10_000)
    closed = calendar.of(payer)

    assert [each.period for each in closed[:3]] == ["2026-01", "2026-02", "2026-03"]
    assert (
        closed[-1].ends_at
        <= datetime.now(UTC)
        < Month(year=closed[-1].ends_at.year, month=closed[-1].ends_at.month).ends_at("UTC")
    )
    assert [calendar.parts(each) for each in closed[:4]] == [
        {"top_ups": 100 * DOLLAR, "usage": 30 * DOLLAR + 1, "closing": 70 * DOLLAR - 1},
        {"opening": 70 * DOLLAR - 1, "closing": 70 * DOLLAR - 1},
        {"opening": 70 * DOLLAR - 1, "usage": 20 * DOLLAR, "closing": 50 * DOLLAR - 1},
        {"opening": 50 * DOLLAR - 1, "closing": 50 * DOLLAR - 1},
    ]
    before = len(closed)
    statements.close_due(limit=10_000)
    assert len(calendar.of(payer)) == before
    assert money.broken_rules() == {}


def test_workers_at_once_close_print_and_tell_each_month_once(payer: Organization) -> None:
    def work(_: int) -> int:
        try:
            return statements.close_and_print()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    closed = calendar.of(payer)
    assert len(closed) == len({each.period for each in closed}) >= 10
    with money.everything():
        told = OutboxEvent.objects.filter(organization_id=payer.id, topic="statement.ready")
        assert sorted(event.payload["period"] for event in told) == [each.period for each in closed]
    assert statements.close_and_print() == 0


def test_what_time_does_not_suffice_for_is_closed_the_next_time(payer: Organization) -> None:
    assert statements.close_and_print(within_s=0) == 0
    assert calendar.of(payer) == []

    statements.close_and_print()
    assert calendar.of(payer)[0].period == "2026-01"


def test_an_organization_that_never_had_money_has_no_statements(globex: Organization) -> None:
    statements.close_due(limit=10_000)

    assert calendar.of(globex) == []


def test_every_kind_of_movement_has_its_heading(payer: Organization) -> None:
    for kind, nanos in (
        ("grant", 7), ("refund", 5), ("grant_expiry", -3), ("adjustment", 11), ("chargeback", -13), ("reversal", -1),
    ):  # fmt: skip
        calendar.post(payer, kind, nanos)
    calendar.close(payer, JANUARY)

    (closed,) = calendar.of(payer)
    assert calendar.parts(closed) == {
        "top_ups": 100 * DOLLAR, "grants": 7, "usage": 30 * DOLLAR + 1, "refunds": 5, "expiries": 3, "adjustments": -3,
        "closing": 70 * DOLLAR - 1 + 7 + 5 - 3 + 11 - 13 - 1,
    }  # fmt: skip
    assert closed.closing == ledger.balance(payer.id).posted


def test_what_happens_after_the_end_of_a_month_is_of_the_next(payer: Organization) -> None:
    ends_at = datetime.now(UTC)
    spend(payer, DOLLAR)

    assert calendar.close(payer, JANUARY, ends_at=ends_at) == "closed"
    assert calendar.close(payer, JANUARY.next) == "closed"

    january, february = calendar.of(payer)
    assert (january.usage, february.usage) == (30 * DOLLAR + 1, DOLLAR)


def test_a_month_closes_once_in_its_turn_and_not_before_its_end(payer: Organization) -> None:
    assert calendar.close(payer, JANUARY, ends_at=datetime.now(UTC) + timedelta(hours=1)) == "not_over"
    assert calendar.close(payer, JANUARY) == "closed"
    assert calendar.close(payer, JANUARY) == "repeated"
    assert calendar.close(payer, JANUARY.next.next) == "not_its_turn"
    assert calendar.close(payer, Month(year=2025, month=12)) == "not_its_turn"


def test_c13_what_is_committed_after_the_close_is_of_the_next_month_however_early_it_began(
    payer: Organization, database_urls: dict[str, str]
) -> None:
    early = money.connect(database_urls["owner"])
    early.autocommit = False
    early.execute("SELECT now()")
    assert calendar.close(payer, JANUARY, ends_at=datetime.now(UTC)) == "closed"

    early.execute("SELECT billing_announce_top_up(gen_random_uuid(), %s, 5, 'manual', 'wire', 'test', 5)", (payer.id,))
    early.commit()
    early.close()

    assert calendar.close(payer, JANUARY.next) == "closed"
    january, february = calendar.of(payer)
    assert (january.top_ups, february.top_ups) == (100 * DOLLAR, 5)


def test_c13_months_that_close_while_runs_settle_have_each_transfer_once(acme: Organization) -> None:
    make.wallet(acme, 1_000_000)
    done = Event()

    def settle(_: int) -> None:
        while not done.is_set():
            spend(acme, 1)
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        for worker in range(4):
            pool.submit(settle, worker)
        month = JANUARY
        for _ in range(30):
            assert calendar.close(acme, month) == "closed"
            month = month.next
            time.sleep(0.02)
        done.set()
    assert calendar.close(acme, month) == "closed"

    closed, lines = calendar.of(acme), calendar.wallet_lines(acme)
    assert len(lines) > 30
    assert set(calendar.counted(closed, lines).values()) == {1}
    assert sum(each.transfers for each in closed) == len(lines)
    assert closed[-1].closing == ledger.balance(acme.id).posted
    assert money.broken_rules() == {}


@pytest.mark.parametrize("seed", range(6))
def test_pt11_random_histories_add_up(acme: Organization, seed: int) -> None:
    dice, month, posted = Random(seed), JANUARY, 0
    kinds = ("grant", "refund", "adjustment", "reversal")
    for _ in range(60):
        step = dice.random()
        if step < 0.25:
            calendar.close(acme, month)
            month = month.next
        elif step < 0.5:
            amount = dice.randint(1, 10**12)
            make.wallet(acme, amount)
            posted += amount
        elif step < 0.75 and posted:
            amount = dice.randint(1, posted)
            spend(acme, amount)
            posted -= amount
        elif posted:
            amount = dice.choice((dice.randint(1, 10**6), -dice.randint(1, posted)))
            calendar.post(acme, dice.choice(kinds), amount)
            posted += amount
    calendar.close(acme, month)

    closed, lines = calendar.of(acme), calendar.wallet_lines(acme)
    assert [each.opening for each in closed] == [0, *(each.closing for each in closed[:-1])]
    assert closed[-1].closing == posted == sum(lines.values())
    assert set(calendar.counted(closed, lines).values()) <= {1}
    with organization_context(acme.id):
        for each in closed:
            shown = list(statements.lines(each))
            assert [line.id for line in shown] == sorted(line.id for line in shown)
            assert (shown[-1].balance if shown else each.opening) == each.closing
    assert money.broken_rules() == {}


def test_f53_months_are_those_of_the_organizations_time_zone_and_of_a_new_one_from_then_on(acme: Organization) -> None:
    with organization_context(acme.id):
        set_time_zone(acme, "Pacific/Kiritimati")
    make.wallet(acme, DOLLAR)
    calendar.happened(acme, datetime(2026, 1, 31, 10, 0, tzinfo=UTC))  # midnight there: it is February
    statements.close_due(limit=10_000)
    assert [(each.period, each.time_zone) for each in calendar.of(acme)[:1]] == [("2026-02", "Pacific/Kiritimati")]
    assert calendar.of(acme)[0].starts_at == datetime(2026, 1, 31, 10, 0, tzinfo=UTC)


def test_f53_an_organization_that_moves_goes_on_where_its_last_month_ended(payer: Organization) -> None:
    calendar.close(payer, JANUARY, zone="Pacific/Kiritimati")
    calendar.close(payer, JANUARY.next, zone="Etc/GMT+12")

    january, february = calendar.of(payer)
    assert january.ends_at == february.starts_at == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert february.ends_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert (january.usage, february.usage) == (0, 30 * DOLLAR + 1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_statement SET closing = closing + 1, adjustments = adjustments + 1",
        "UPDATE billing_statementfile SET pdf = 'x'", "DELETE FROM billing_statementfile",
        "DELETE FROM billing_statement",
        ("INSERT INTO billing_statementfile (statement_id, organization_id, pdf, sha256)"
        " SELECT id, organization_id, 'x', repeat('0', 64) FROM billing_statement"),
    ],
)  # fmt: skip
def test_not_even_the_owner_of_the_database_rewrites_a_statement(payer: Organization, statement: str) -> None:
    calendar.close(payer, JANUARY)
    with organization_context(payer.id):
        found = statements.statement(payer.id, "2026-01")
        assert found is not None
        if "INSERT" not in statement:
            statements.pdf_of(found)

    with pytest.raises(DatabaseError), connections["owner"].cursor() as cursor:
        cursor.execute(statement)


def test_a_statement_that_does_not_begin_where_the_last_ended_cannot_be_written(payer: Organization) -> None:
    calendar.close(payer, JANUARY)

    with pytest.raises(DatabaseError, match="begins_where"), connections["owner"].cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_statement (organization_id, period, time_zone, starts_at, ends_at, previous_id,
                after_transfer, last_transfer, transfers, opening, top_ups, grants, usage, refunds, expiries,
                adjustments, closing)
            SELECT organization_id, '2026-02', 'UTC', ends_at, ends_at + interval '1 day', id, last_transfer,
                last_transfer, 0, closing + 1, 0, 0, 0, 0, 0, 0, closing + 1
            FROM billing_statement WHERE organization_id = %s
            """,
            (payer.id,),
        )


def test_the_file_of_a_statement_is_printed_once_and_says_what_the_books_say(payer: Organization) -> None:
    calendar.close(payer, JANUARY)
    statements.print_due(limit=10_000)
    with organization_context(payer.id):
        found = statements.statement(payer.id, "2026-01")
        assert found is not None
        first, again = statements.pdf_of(found), statements.pdf_of(found)

    assert first == again
    assert first.sha256 == hashlib.sha256(first.pdf).hexdigest()
    (page,) = PdfReader(io.BytesIO(first.pdf)).pages
    text = page.extract_text()
    for said in ("Acme", "2026-01", "+$100.000000000", "−$30.000000001", "$69.999999999", "Page 1 of 1"):
        assert said in text


def test_the_table_of_a_statement_is_exact_and_runs_nothing(payer: Organization) -> None:
    top_ups.enter(
        id=uuid4(),
        organization_id=payer.id,
        amount_nanos=1,
        reference='=cmd|" /C calc"!A0, "x"',
        actor="t@example.test",
    )
    calendar.close(payer, JANUARY)
    with organization_context(payer.id):
        found = statements.statement(payer.id, "2026-01")
        assert found is not None
        text = "".join(statements.csv_of(found))

    assert text.count("\r\n") == 4
    header, first, second, third = list(csv.reader(io.StringIO(text, newline="")))
    assert header[4:] == ["in_usd", "out_usd", "balance_usd", "in_nanos", "out_nanos", "balance_nanos"]
    assert first[1:3] == ["2026-01-05T00:00:00+00:00", "Top-up"]
    assert first[4:] == ["100.000000000", "0.000000000", "100.000000000", "100000000000", "0", "100000000000"]
    assert second[3:7] == ["run", "0.000000000", "30.000000001", "69.999999999"]
    assert third[3] == '\'=cmd|" /C calc"!A0, "x"'
    assert third[6] == "70.000000000"


def test_a_neighbour_finds_no_statement(payer: Organization, globex: Organization) -> None:
    calendar.close(payer, JANUARY)

    with organization_context(globex.id):
        assert statements.statement(payer.id, "2026-01") is None
        assert list(statements.statements(payer.id)) == []
