"""`python -m benchmarks.books`: what a look at all the books takes, and handing them out, beside the bare database.

The books are made by the product's functions. Each figure comes from a process of its own, so that memory is what that
one thing took.
"""

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from benchmarks.__main__ import RESULTS
from benchmarks.platform import database_under_test

MOST_BALANCE_S: Final = 2.0
MOST_MEMORY_MB: Final = 150.0


def main() -> None:
    """Fill books, look at them, hand them out, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transfers", type=int, default=1_000_000)
    asked = parser.parse_args()
    with database_under_test() as environment:
        found = {
            way: _measured(environment, way, asked.transfers) for way in ("fill", "balance", "sum", "export", "copy")
        }
    _report(found)


def _measured(environment: dict[str, str], way: str, transfers: int) -> dict[str, float]:
    ended = subprocess.run(  # our own module
        [sys.executable, "-m", "benchmarks.books_ways", way, "--transfers", str(transfers)],
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures: dict[str, float] = json.loads(ended.stdout)
    return figures


def _report(found: dict[str, dict[str, float]]) -> None:
    made, balance, bare, export, copy = found.values()
    console = Console(record=True, width=120)
    console.print(f"{made['transfers']:,.0f} transfers, made in {made['seconds']:.0f} s")
    console.print(
        f"trial balance: {balance['fastest_s']:.2f} to {balance['slowest_s']:.2f} s ({MOST_BALANCE_S:.0f} at most), "
        f"{balance['fastest_s'] / bare['fastest_s']:.1f} times one bare sum over them ({bare['fastest_s']:.2f} s)"
    )
    console.print(
        f"journal as CSV: {export['lines']:,.0f} lines, {export['megabytes']:.0f} MB in {export['seconds']:.0f} s, "
        f"{export['seconds'] / copy['seconds']:.1f} times COPY of the bare table ({copy['seconds']:.1f} s); "
        f"{export['memory_mb']:.0f} MB of memory at the most ({MOST_MEMORY_MB:.0f}), "
        f"{export['memory_before_mb']:.0f} before it began"
    )
    console.print(
        f"the machine had {os.getloadavg()[1]:.1f} processes waiting for its {os.cpu_count()} cores (5 minutes)"
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{datetime.now(UTC):%Y-%m-%d-%H%M}-books.txt").write_text(console.export_text())


if __name__ == "__main__":
    main()
