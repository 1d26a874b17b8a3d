"""The books as files: exact, harmless in a spreadsheet, and complete."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from billing import exports, top_ups
from billing.exports import Export
from tenants.models import Organization
from tests.billing import figures, money

NASTY = '=HYPERLINK("http://evil.example","x"),\n"quoted"'


def export(name: exports.Name, format: exports.Format = "csv") -> Export:
    now = datetime.now(UTC)
    return Export(name=name, format=format, since=now - timedelta(days=1), until=now + timedelta(days=1))


def text(name: exports.Name, format: exports.Format = "csv") -> str:
    return b"".join(exports.written(export(name, format))).decode()


@pytest.fixture
def moved(acme: Organization) -> Organization:
    """A top-up whose reference would be a formula, and a settled charge."""
    top_ups.enter(
        id=uuid4(), organization_id=acme.id, amount_nanos=12_345_678_901, reference=NASTY, actor="+ann@example.test"
    )
    money.settle(money.hold(acme, 500), cost=123)
    figures.caught_up()
    return acme


def of(organization: Organization, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    mine = f"organization:{organization.id}:wallet"
    return [row for row in rows if mine in (row.get("debit"), row.get("credit"), row.get("account"))]


def test_the_journal_is_exact_and_no_cell_is_a_formula(moved: Organization) -> None:
    raw = text("journal")
    top_up, charge = of(moved, list(csv.DictReader(io.StringIO(raw, newline=""))))

    assert raw.count("\r\n") >= 3
    assert (top_up["amount_nanos"], top_up["amount_usd"]) == ("12345678901", "12.345678901")
    assert int(Decimal(top_up["amount_usd"]) * 10**9) == int(top_up["amount_nanos"])
    assert (top_up["memo"], top_up["actor"]) == (f"'{NASTY}", "'+ann@example.test")
    assert (charge["kind"], charge["amount_usd"]) == ("settlement", "0.000000123")


def test_json_keeps_the_text_as_it_is_and_amounts_as_strings(moved: Organization) -> None:
    top_up, _ = of(moved, [json.loads(line) for line in text("journal", "jsonl").splitlines()])

    assert (top_up["memo"], top_up["amount_nanos"], top_up["amount_usd"]) == (NASTY, "12345678901", "12.345678901")


def test_the_usage_says_what_each_settlement_came_to(moved: Organization) -> None:
    rows = [row for row in csv.DictReader(io.StringIO(text("usage"))) if row["organization"] == moved.slug]

    assert [(row["charged_nanos"], row["platform_share_usd"], row["loss_nanos"]) for row in rows] == [
        ("123", "0.000000123", "0")
    ]


def test_the_general_ledger_sums_days_and_balances(moved: Organization) -> None:
    rows = list(csv.DictReader(io.StringIO(text("ledger"))))
    (wallet,) = of(moved, rows)

    assert (wallet["debit_nanos"], wallet["credit_usd"]) == ("123", "12.345678901")
    assert sum(int(row["debit_nanos"]) for row in rows) == sum(int(row["credit_nanos"]) for row in rows)


def test_nothing_is_a_header(database: None) -> None:
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    nothing = Export(name="journal", format="csv", since=long_ago, until=long_ago)

    assert b"".join(exports.written(nothing)).startswith(b"id,at,key,kind,line,debit,credit,amount_nanos,amount_usd,")


@pytest.mark.parametrize("nanos", [0, 1, 999, 10**9, 2**53 + 1, 2**63 - 1])
def test_amounts_survive_the_way_out_and_back(nanos: int) -> None:
    line = exports.csv_of(["amount_nanos"], [(nanos,)], with_header=False).decode().strip()
    whole, dollars = line.split(",")

    assert int(whole) == nanos == int(Decimal(dollars).scaleb(9))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_whatever_begins_a_formula_is_text(start: str) -> None:
    row = exports.csv_of(["memo"], [(f"{start}1+1",)], with_header=False).decode()

    assert next(csv.reader(io.StringIO(row, newline=""))) == [f"'{start}1+1"]


def test_parts_come_one_by_one_to_who_must_not_wait(moved: Organization) -> None:
    async def read(most: int) -> list[bytes]:
        parts = []
        stream = exports.streamed(lambda: exports.written(export("journal")))
        async for part in stream:
            parts.append(part)
            if len(parts) == most:
                break
        await stream.aclose()  # type: ignore[attr-defined]
        return parts

    assert b"".join(asyncio.run(read(10**6))).decode() == text("journal")
    assert len(asyncio.run(read(1))) == 1


def test_who_goes_away_leaves_nothing_open() -> None:
    closed = []

    def parts() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    async def read_one() -> None:
        stream = exports.streamed(parts)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(read_one())

    assert closed == [True]


def test_the_command_writes_a_file(moved: Organization, tmp_path: Path) -> None:
    call_command("export_books", "journal", "--output", str(tmp_path / "journal.csv"))

    assert of(moved, list(csv.DictReader(io.StringIO((tmp_path / "journal.csv").read_text(), newline=""))))
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_books", "journal", "--output", str(tmp_path))
    with pytest.raises(CommandError, match="before"):
        call_command("export_books", "journal", "--first", "2026-02-02", "--last", "2026-01-01")
