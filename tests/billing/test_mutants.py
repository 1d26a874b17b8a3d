"""A ledger with one rule bent is found out: by the random walk, or by the tests beside the rule."""

import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest

from tests.billing.mutants import Mutant, mutants
from tests.billing.test_random_walk import scratch, walk
from tests.billing.walk import Database
from tests.billing.walk_of_runs import Runs
from tests.billing.walk_of_tampering import Everything

__all__ = ["scratch"]

MUTANTS = mutants()
WALKED = [name for name, mutant in MUTANTS.items() if not mutant.tests]
TESTED = [name for name, mutant in MUTANTS.items() if mutant.tests]
SAMPLE = (
    "more is granted than a pot has",
    "those who draw from one pot do not see each other",
    "parents forget what children spent",
)
WALKS = {path.name for path in Path(__file__).parent.glob("walk*.py")}


@pytest.fixture
def bent(request: pytest.FixtureRequest, scratch: Database) -> Generator[Database]:
    """The ledger with one rule bent; afterwards it is straight again."""
    mutant = MUTANTS[request.param]
    scratch.execute(mutant.bent.encode())
    yield scratch
    scratch.execute(mutant.straight.encode())


def found_out(database: Database) -> str:
    """Which step of the walk fell over the bent rule, and why."""
    with pytest.raises((AssertionError, psycopg.Error)) as failure:
        take_walks(database)
    steps = [entry.name for entry in failure.traceback if Path(str(entry.path)).name in WALKS]
    words = " ".join(str(failure.value).split())
    return f"{steps[-1]}: {words[:90]}"


def take_walks(database: Database) -> None:
    for number in range(4):
        for of in (Runs, Everything):
            walk(database, number, of=of, sequences=40, steps=40, shrink=False)


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_pt14_each_rule_can_be_bent(mutant: Mutant) -> None:
    assert mutant.bent != mutant.straight


@pytest.mark.parametrize("bent", SAMPLE, indirect=True)
def test_pt14_a_bent_rule_is_found_out(bent: Database) -> None:
    assert found_out(bent)


@pytest.mark.prove
@pytest.mark.parametrize("bent", WALKED, indirect=True)
def test_pt14_each_bent_rule_is_found_out(
    bent: Database, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    found = found_out(bent)
    with capsys.disabled():
        sys.stderr.write(f"\nKILLED {request.node.callspec.id} | {found}\n")


@pytest.mark.prove
@pytest.mark.parametrize("mutant", TESTED)
def test_pt14_what_no_walk_reaches_the_tests_beside_it_find_out(
    mutant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-x", "-p", "no:cacheprovider"]
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ROBUTLER_", "PYTEST_", "DATABASE_"))
    }
    ran = subprocess.run(
        [*command, "-p", "tests.billing.mutated", *MUTANTS[mutant].tests],
        env={**kept, "MUTANT": mutant}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    failed = re.findall(r"^FAILED (\S+)", ran.stdout, flags=re.MULTILINE)
    assert (ran.returncode, len(failed)) == (1, 1), ran.stdout[-2000:] + ran.stderr[-2000:]
    with capsys.disabled():
        sys.stderr.write(f"\nKILLED {mutant} | {failed[0]}\n")
