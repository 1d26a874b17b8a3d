"""The command that proves the books: what it prints, and with what it ends."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from billing.models import Reconciliation
from tenants.models import Organization
from tests import make
from tests.billing import figures, money


def run(*arguments: Any) -> str:
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out)
    except SystemExit as ended:
        ended.add_note(out.getvalue())
        raise
    return out.getvalue()


@pytest.fixture(autouse=True)
def moved(acme: Organization) -> None:
    money.settle(money.hold(make.wallet(acme, 10_000), 500), cost=100)
    figures.caught_up()


def test_books_that_hold_say_so_rule_by_rule() -> None:
    rows = list(csv.DictReader(io.StringIO(run("reconcile", "--csv"))))

    assert {row["state"] for row in rows} <= {"holds", "not checked", "beyond its goal"}
    assert {"R1", "R12", "I1"} <= {row["rule"] for row in rows}


def test_a_provider_that_says_more_ends_with_an_error(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    usage = tmp_path / "usage.csv"
    usage.write_text(f"day,model,cost_usd\n{today},maker/dear,1000\n")
    out = io.StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("reconcile", "--json", "--provider-usage", str(usage), stdout=out)

    (said,) = [row for row in json.loads(out.getvalue()) if row["rule"] == "R5"]
    assert ended.value.code == 1
    assert "maker/dear" in said["detail"]
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM billing_discrepancy")


def test_a_day_of_long_ago_is_empty_and_holds() -> None:
    rows = json.loads(run("reconcile", "--json", "--day", "2001-01-01"))

    assert "broken" not in {row["state"] for row in rows}
    with money.everything():
        assert Reconciliation.objects.order_by("-id")[0].day.isoformat() == "2001-01-01"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--day", "yesterday"), "--day"),
        (("--provider-usage", "/nowhere/usage.csv"), "cannot be read"),
        (("--provider-usage", "pyproject.toml"), "lacks"),
    ],
)
def test_what_cannot_be_understood_is_an_error(arguments: tuple[str, str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run("reconcile", *arguments)


def test_figures_can_be_made_anew() -> None:
    assert "made anew" in run("rebuild_rollups").lower()
