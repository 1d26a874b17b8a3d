"""A reconciliation compares what should agree, keeps what it found, and opens a ticket for what does not."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from billing import reconcile
from billing.models import Discrepancy, Reconciliation
from billing.provider_usage import Compared
from tenants.models import Organization
from tests import make
from tests.billing import figures, money
from tests.billing.test_invariants import BREAKS, broken, things  # noqa: F401 - a fixture

RULES = ["R1", "R2", "R3", "R4", "R4", "R5", "R6", "R6", "R7", "R8", "R9", "R9", "R10", "R11", "R12"]


def today() -> date:
    return datetime.now(UTC).date()


def of_rule(report: reconcile.Report, rule: str) -> reconcile.Finding:
    return next(finding for finding in report.findings if finding.rule == rule)


def test_every_rule_is_looked_at_and_kept(acme: Organization, globex: Organization) -> None:
    money.settle(money.hold(make.wallet(acme, 10_000), 500, creator=globex), cost=100, markup=40)
    figures.caught_up()

    report = reconcile.reconcile(day=today(), actor="ann@example.test")

    assert [finding.rule for finding in report.findings if finding.rule.startswith("R")] == RULES
    assert of_rule(report, "R5").state == "not checked"
    assert report.breaks == 0
    with money.everything():
        kept = Reconciliation.objects.get(id=report.id)
    assert (kept.actor, kept.breaks, len(kept.findings)) == ("ann@example.test", 0, len(report.findings))


def test_creators_are_rolled_forward(acme: Organization, globex: Organization) -> None:
    before = of_rule(reconcile.reconcile(day=today()), "R9")
    money.settle(money.hold(make.wallet(acme, 10_000), 500, creator=globex), cost=100, markup=40)
    figures.caught_up()

    after = of_rule(reconcile.reconcile(day=today()), "R9")

    assert after.state == "holds"
    assert (after.ours or 0) - (before.ours or 0) == 40


def test_figures_that_wait_for_a_long_transaction_break_no_rule(
    acme: Organization, globex: Organization, database_urls: Mapping[str, str]
) -> None:
    money.sweep()
    with money.connect(money.superuser(database_urls)) as somebody, somebody.transaction():
        somebody.execute("SELECT pg_current_xact_id()")
        money.settle(money.hold(make.wallet(acme, 10_000), 500, creator=globex), cost=100, markup=40)

        assert reconcile.reconcile(day=today()).breaks == 0


def test_yesterday_knows_nothing_of_today(acme: Organization, globex: Organization) -> None:
    yesterday = today() - timedelta(days=1)
    before = of_rule(reconcile.reconcile(day=yesterday), "R9")
    money.settle(money.hold(make.wallet(acme, 10_000), 500, creator=globex), cost=100, markup=40)
    figures.caught_up()

    assert of_rule(reconcile.reconcile(day=yesterday), "R9").ours == before.ours


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("wallet totals are the sums of their transfers", "R2"),
        ("figures by the hour are the ledger's", "R2"),
        ("charges end when their holds do", "R3"),
        ("every top-up credited its wallet", "R6"),
        ("no open hold has outlived its time", "R7"),
        ("seals are unbroken", "R11"),
        ("suspense is empty", "R12"),
    ],
)
def test_what_is_broken_breaks_its_rule_and_is_to_be_explained(
    name: str,
    rule: str,
    things: dict[str, Any],  # noqa: F811
    database_urls: Mapping[str, str],
) -> None:
    with broken(database_urls, BREAKS[name], things):
        report = reconcile.reconcile(day=today())

    assert of_rule(report, rule).state == "broken"
    assert report.breaks >= 2
    with money.everything():
        ticket = reconcile.open_discrepancies().filter(rule=rule)[0]
    closed = reconcile.explain(ticket.id, explanation="A test broke it.", actor="ann@example.test")
    assert closed.explained_by == "ann@example.test"
    with pytest.raises(reconcile.AlreadyExplained):
        reconcile.explain(ticket.id, explanation="Again.", actor="bob@example.test")
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM billing_discrepancy")


def test_estimates_and_losses_beyond_their_goals_are_told_and_break_nothing(acme: Organization) -> None:
    much = 10**16  # beside which all that other tests have left is little
    money.settle(money.hold(make.wallet(acme, much), much), cost=much, source="estimated")
    money.settle(money.hold(acme, 0), cost=much)
    figures.caught_up()

    report = reconcile.reconcile(day=today())

    assert {of_rule(report, "R8").state, of_rule(report, "R10").state} == {"beyond its goal"}
    assert report.breaks == 0


def test_a_provider_that_says_something_else_is_found_once(acme: Organization) -> None:
    money.settle(money.hold(make.wallet(acme, 10**9), 10**8), cost=10**6)
    figures.caught_up()
    lines = [
        "model,day,cost_usd,requests",
        f"maker/else,{today()},0.5,7",
        f"maker/else,{today() - timedelta(days=1)},9,1",
    ]
    export = reconcile.read_export(lines)

    report, again = [reconcile.reconcile(day=today(), export=export) for _ in range(2)]

    assert of_rule(report, "R5").state == of_rule(again, "R5").state == "broken"
    assert "maker/else" in of_rule(report, "R5").detail
    with money.everything():
        tickets = Discrepancy.objects.filter(rule="R5", subject=f"maker/else on {today()}")
        assert list(tickets.values_list("ours", "theirs")) == [(0, 500_000_000)]


@pytest.mark.parametrize(
    ("ours", "theirs", "is_beyond"),
    [(1000, 1000, False), (1000, 995, False), (1000, 994, True), (995, 1000, False), (994, 1000, True), (0, 1, True)],
)
def test_half_a_percent_is_tolerated(ours: int, theirs: int, is_beyond: bool) -> None:
    assert Compared(model="m", ours=ours, theirs=theirs).is_beyond_tolerance is is_beyond


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "lacks day, model, cost_usd"),
        (["day,model"], "lacks cost_usd"),
        (["day,model,cost_usd", "2026-13-01,m,1"], "Line 2"),
        (["day,model,cost_usd", "2026-11-25,m,1", "2026-11-25,m,much"], "Line 3"),
        (["day,model,cost_usd", "2026-11-25,m,-1"], "not an amount"),
        (["day,model,cost_usd", "2026-11-25,m,NaN"], "Line 2"),
        (["day,model,cost_usd", "2026-11-25"], "Line 2"),
    ],
)
def test_an_export_that_cannot_be_read_is_refused_by_its_line(lines: list[str], said: str) -> None:
    with pytest.raises(reconcile.UnreadableExport, match=said):
        reconcile.read_export(lines)
