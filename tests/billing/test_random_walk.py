"""Whatever happens in whatever order, the books are those on paper."""

import os
import re
from collections.abc import Generator, Mapping
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.billing import money
from tests.billing.walk import ORGANIZATIONS, Database
from tests.billing.walk_of_corrections import Everything

SEED = int(os.environ.get("WALK_SEED", "2026"))
"""Printed with every failure; the same seed takes the same steps."""


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
            yield database
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def walk(database: Database, number: int, *, sequences: int, steps: int, shrink: bool = True) -> None:
    """So many sequences of steps; the shortest that fails is printed, and the seed to take them again."""
    machine = seed(number)(type("Walk", (Everything,), {"database": database}))
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    once = settings(
        max_examples=sequences, stateful_step_count=steps, deadline=None, database=None, phases=phases,
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    try:
        run_state_machine_as_test(machine, settings=once)
    except BaseException as failure:
        failure.add_note(f"WALK_SEED={number} takes the same steps")
        raise


def test_pt8_the_books_are_those_on_paper_after_every_step(scratch: Database) -> None:
    walk(scratch, SEED, sequences=200, steps=20)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("round", range(40))
def test_pt8_so_they_are_after_every_step_of_long_walks(round: int, scratch: Database) -> None:
    walk(scratch, SEED + 1 + round, sequences=60, steps=60)
    scratch.execute("VACUUM")
