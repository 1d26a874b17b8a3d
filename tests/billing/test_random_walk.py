"""Whatever happens in whatever order, the books are those on paper."""

import os
import re
from collections.abc import Generator, Mapping
from uuid import uuid4

import psycopg
import pytest

from tests.billing import money
from tests.billing.steps import walk as walk_of
from tests.billing.walk import ORGANIZATIONS, Database
from tests.billing.walk_of_runs import Runs
from tests.billing.walk_of_tampering import Everything

SEED = int(os.environ.get("WALK_SEED", "2026"))
"""Printed with every failure; the same seed takes the same steps."""

ACCOUNT_FOR_PAYOUTS = """
    WITH key AS (
        INSERT INTO tenants_datakey (id, organization_id, wrapped, wrapped_by, created_at)
        VALUES (%(organization)s, %(organization)s, '', 'none', now()) RETURNING id, organization_id
    )
    INSERT INTO billing_payoutaccount (id, organization_id, label, sealed, data_key_id, entered_by)
    SELECT id, organization_id, 'W', '', id, 'walk' FROM key
"""


@pytest.fixture(scope="module")
def scratch(database_urls: Mapping[str, str]) -> Generator[Database]:
    """A ledger of its own: every walk begins where nothing has happened."""
    name, url = f"walk_{uuid4().hex[:8]}", money.superuser(database_urls)
    with psycopg.connect(url, dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE robutler_template STRATEGY file_copy")
        with psycopg.connect(re.sub(r"/robutler_\w+\?", f"/{name}?", url), autocommit=True) as database:
            for id in ORGANIZATIONS:
                database.execute(
                    "INSERT INTO tenants_organization (id, slug, name, status, created_at)"
                    " VALUES (%s, %s, 'W', 'active', now())",
                    (id, f"walk-{id.hex}"),
                )
                database.execute(ACCOUNT_FOR_PAYOUTS, {"organization": id})
            yield database
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def walk(database: Database, number: int, *, of: type[Runs], sequences: int, steps: int, shrink: bool = True) -> None:
    """So many sequences of steps, on the database and on paper."""
    walk_of(lambda: of(database), number, sequences=sequences, steps=steps, shrink=shrink)


@pytest.mark.parametrize("of", [Runs, Everything])
def test_pt8_the_books_are_those_on_paper_after_every_step(of: type[Runs], scratch: Database) -> None:
    walk(scratch, SEED, of=of, sequences=100, steps=25)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("of", [Runs, Everything])
@pytest.mark.parametrize("round", range(20))
def test_pt8_so_they_are_after_every_step_of_long_walks(round: int, of: type[Runs], scratch: Database) -> None:
    walk(scratch, SEED + 1 + round, of=of, sequences=60, steps=60)
    scratch.execute("VACUUM")
