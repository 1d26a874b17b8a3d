"""Tasks that write down what happens to them, for a worker process to run."""

import os
import time
from pathlib import Path

from celery import shared_task

import outbound


def note(journal: str, line: str) -> None:
    """Append a line in one write, so that processes do not mix theirs."""
    with Path(journal).open("a") as file:
        file.write(f"{line}\n")


@shared_task(name="tests.record")
def record(journal: str, number: int, gate: str | None = None) -> None:
    """Say when it starts and ends; with a gate, wait for that file to appear in between."""
    note(journal, f"start {number} {os.getpid()}")
    deadline = time.monotonic() + 60
    while gate is not None and not Path(gate).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    note(journal, f"end {number} {os.getpid()}")


@shared_task(name="tests.whose")
def whose(journal: str, organization_id: str | None = None) -> None:
    """Say for whom it works."""
    from tenants.context import organization_or_none

    note(journal, str(organization_or_none()))


@shared_task(name="tests.trace")
def trace_of(journal: str) -> None:
    """Say which trace it belongs to."""
    note(journal, outbound.traceparent() or "none")


@shared_task(name="tests.fail")
def fail(words: str) -> None:
    """Fail with these words."""
    raise RuntimeError(words)
