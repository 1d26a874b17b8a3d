"""What every test of agents needs."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def rows_are_written(database: None) -> Iterator[None]:
    """Let the rows of runs be written before the database goes."""
    yield
    from agents.adapters.run_writer import run_writer

    assert run_writer().flush(timeout_s=10)
