"""What every client's cases are given, and the report that is made of them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from seat import Seat

_cases: dict[str, dict[str, str]] = {}


@pytest.fixture(scope="session")
def seat() -> Seat:
    """The server, the keys and the agents."""
    return Seat.taken()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a case went; its worst phase counts."""
    outcome: str = report.outcome
    if hasattr(report, "wasxfail"):
        outcome = "failed" if report.passed else "expected"
    if outcome != "passed" or report.when == "call":
        _cases[report.nodeid] = {"outcome": outcome, "reason": _reason(report)}


def pytest_sessionfinish() -> None:
    """Write the report where the parent looks for it."""
    cases = [{"name": name.partition("::")[2], **case} for name, case in _cases.items()]
    Path(os.environ["ROBUTLER_REPORT"]).write_text(json.dumps(cases))


def _reason(report: Any) -> str:
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail).removeprefix("reason: ").removeprefix("[NOTRUN] ")
    if report.skipped:
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longreprtext)[-3_000:] if report.failed else ""
