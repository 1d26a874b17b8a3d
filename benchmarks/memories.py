"""`python -m benchmarks.memories`: finding what is remembered among very much, beside a bare look-up of one row.

One user has as much as a skill keeps of anybody, and very many others have a little each.
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

MOST_MS: Final = 50.0


def main() -> None:
    """Remember very much, search it, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, default=100_000)
    asked = parser.parse_args()
    with database_under_test() as environment:
        ended = subprocess.run(  # our own module
            [sys.executable, "-m", "benchmarks.memories_ways", "--memories", str(asked.memories)],
            env={**os.environ, **environment},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    _report(json.loads(ended.stdout))


def _report(found: dict[str, float]) -> None:
    console = Console(record=True, width=120)
    console.print(f"{found['memories']:,.0f} memories, kept in {found['fill_s']:.0f} s; a tenth of them one user's")
    for who, name in (("many", "of the user with a tenth of them"), ("few", "of a user with a hundred")):
        console.print(
            f"a search {name}: {found[f'{who}_p50_ms']:.1f} ms, p95 {found[f'{who}_p95_ms']:.1f} ms "
            f"({MOST_MS:.0f} at most), {found[f'{who}_p50_ms'] / found['bare_p50_ms']:.0f} times a look-up of one row "
            f"({found['bare_p50_ms']:.2f} ms); the right one among the first three in {found[f'{who}_recall']:.0%}"
        )
    console.print(f"a vector is made in {found['vector_ms']:.2f} ms")
    console.print(
        f"the machine had {os.getloadavg()[1]:.1f} processes waiting for its {os.cpu_count()} cores (5 minutes)"
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{datetime.now(UTC):%Y-%m-%d-%H%M}-memories.txt").write_text(console.export_text())


if __name__ == "__main__":
    main()
