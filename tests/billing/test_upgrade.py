"""Books of an earlier version, open holds and all, brought to this one: nothing moves, and what was open can end.

The dump was made by the code whose last migration of billing was 0010: two wallets, charges of every end, three holds
that are open. Prices are left out of it.
"""

import gzip
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from billing.selectors import INVARIANTS
from robutler_site.database import ensure_database
from tests.conftest import ROLES, SERVER, WORKER

DUMP = Path(__file__).parent / "upgrade" / "at_0010.sql.gz"
IN_WORK = "1f92ced3-53c0-438e-a2cc-db549a7954e5"
"""Of Acme, 7,000 reserved, 2,500 written down."""
WALLETS = """
    SELECT o.name, a.credits_posted - a.debits_posted, a.debits_pending
    FROM billing_account a JOIN tenants_organization o ON o.id = a.organization_id WHERE a.kind = 'wallet' ORDER BY 1
"""
TOTALS = """
    SELECT a.code, sum(CASE a.normal WHEN 'C' THEN t.signed ELSE -t.signed END)::bigint
    FROM billing_account a JOIN (
        SELECT credit_id AS id, amount AS signed FROM billing_transfer
        UNION ALL SELECT debit_id, -amount FROM billing_transfer
    ) t ON t.id = a.id GROUP BY a.code
"""
SETTLE_AND_SWEEP = f"""
import asyncio, django
django.setup()
from uuid import UUID
from billing import ledger
print(asyncio.run(ledger.settle(id=UUID("{IN_WORK}"), cost_nanos=3_000, markup_nanos=500, fee_nanos=0,
    platform_credential=True, source="provider", status="finished")).charged_nanos, ledger.sweep_expired())
"""


@dataclass(frozen=True, kw_only=True)
class Old:
    """The database, and how to work on it."""

    url: str
    environment: Mapping[str, str]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def let_holds_live(self, seconds: int) -> None:
        """Have the open holds end so long from now; the dump is older than they were to become."""
        with psycopg.connect(self.url) as connection:
            connection.execute("SET session_replication_role = replica")
            aged = "UPDATE billing_hold SET expires_at = now() + make_interval(secs => %s) WHERE state = 'open'"
            connection.execute(aged, [seconds])

    def run(self, *arguments: str) -> str:
        """What one of our programs says on it."""
        command = [sys.executable, *arguments]
        ran = subprocess.run(command, env=dict(self.environment), check=False, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def broken_rules(self) -> dict[str, int]:
        return {name: rows for name, rows in self.rows(INVARIANTS.read_text()) if rows}


@pytest.fixture
def old(site_environment: dict[str, str]) -> Iterator[Old]:
    """A database as the earlier version left it."""
    name = f"robutler_{WORKER}_upgraded"
    top, url = (SERVER.dsn(role="postgres", database=database) for database in ("postgres", name))
    with psycopg.connect(top, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    psql = [str(SERVER.binaries / "psql"), "--dbname", url, "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"]
    subprocess.run(psql, check=True, input=gzip.decompress(DUMP.read_bytes()), stdout=subprocess.DEVNULL)
    ensure_database(top, name)
    urls = {variable: SERVER.dsn(role=f"robutler_{role}", database=name) for role, variable in ROLES.items()}
    yield Old(url=url, environment={**site_environment, **urls})
    with psycopg.connect(top, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_books_of_an_earlier_version_keep_every_balance_and_their_open_holds_can_end(old: Old) -> None:
    old.let_holds_live(600)
    before = old.rows(WALLETS), dict(old.rows(TOTALS))

    old.run("manage.py", "migrate", "--database", "owner", "--verbosity", "0")
    after = old.rows(WALLETS), dict(old.rows(TOTALS))
    broken = old.broken_rules()
    old.let_holds_live(-1)
    told = old.run("-c", SETTLE_AND_SWEEP)

    assert before[0] == [("Acme", 994_900, 12_000), ("Globex", 494_300, 9_000)]
    assert after == before
    assert broken == {}
    assert told.split() == ["3500", "2"]
    assert old.rows(WALLETS) == [("Acme", 991_400, 0), ("Globex", 493_300, 0)]
    assert old.broken_rules() == {}
