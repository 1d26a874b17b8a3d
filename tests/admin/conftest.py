"""What the tests of both sites need."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session", autouse=True)
def rows_are_written(database: None) -> Iterator[None]:
    """Let the rows of runs be written before the database goes."""
    yield
    from agents.adapters.run_writer import run_writer

    assert run_writer().flush(timeout_s=10)


@pytest.fixture(scope="session")
def neighbour(database: None) -> Any:
    """Globex, with one of everything the console shows."""
    from tests.admin.neighbour import planted

    return planted()
