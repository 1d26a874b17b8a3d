"""`python -m benchmarks.ledger`: pairs of a hold and a settlement on one wallet, beside the ORM and the bare disk.

All ways work on one server in turns, several rounds; what counts is the median. Every pair writes all rows of the
schema: charge, hold, settlement, transfers, four lines of a bill.
"""

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import RESULTS
from benchmarks.platform import database_under_test

WAYS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("committer", "committer", ()),
    ("committer, four budgets", "committer", ("--budgets", "4")),
    ("functions, one pair a time", "alone", ()),
    ("ORM", "orm", ()),
    ("bare commits, one client", "commit", ()),
)


def main() -> None:
    """Measure every way and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=8.0)
    asked = parser.parse_args()
    found: dict[str, list[list[int]]] = {name: [] for name, _, _ in WAYS}
    with database_under_test() as environment:
        # Without statistics the foreign keys to charges are looked up by a plan that reads all of an organization's:
        # autovacuum gives a new database some within a minute.
        _measured(environment, ["committer", "--seconds", "4", "--analyze"])
        for _ in range(asked.rounds):
            for name, way, options in WAYS:
                arguments = [way, "--clients", str(asked.clients), "--seconds", str(asked.seconds), *options]
                found[name].append(_measured(environment, arguments))
    _report(found, clients=asked.clients)


def _measured(environment: dict[str, str], arguments: list[str]) -> list[int]:
    ended = subprocess.run(  # our own module
        [sys.executable, "-m", "benchmarks.ledger_ways", *arguments],
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    rates: list[int] = json.loads(ended.stdout.rpartition("\n")[2])["by_second"]
    return rates


def _report(found: dict[str, list[list[int]]], *, clients: int) -> None:
    rates = {name: median(sum(run) / len(run) for run in runs) for name, runs in found.items()}
    table = Table(title=f"Holds with their settlements on one wallet, {clients} clients")
    for column in ("way", "pairs/s", "of the ORM", "first second", "last second"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name, runs in found.items():
        first, last = median(run[1] for run in runs), median(run[-1] for run in runs)
        table.add_row(name, f"{rates[name]:.0f}", f"{rates[name] / rates['ORM']:.1f}", f"{first:.0f}", f"{last:.0f}")
    console = Console(record=True, width=110)
    console.print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{datetime.now(UTC):%Y-%m-%d-%H%M}-ledger.txt").write_text(console.export_text())


if __name__ == "__main__":
    main()
