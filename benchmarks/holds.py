"""`python -m benchmarks.holds`: what reserving money adds to the wait for the first chunk.

The same streams at the same pace, in turns on one platform: of an agent that is free, of one that costs something by
the run, of one that has a hard budget besides, and of the second as paid for by a token, out of money set aside within
another. A free run's charge is written down as well, but nothing is locked, reserved or moved for it.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import RESULTS
from benchmarks.platform import platform_under_test
from benchmarks.processes import free_port, running
from benchmarks.streams import System, asked_of, quantiles_ms

MODEL: Final = "words-10-10"
FREE: Final = f"free-{MODEL}"
MOST_MS: Final = 10.0


@dataclass(kw_only=True)
class Waits:
    """The median and the 95th percentile of the wait for the first chunk, of each round; milliseconds."""

    name: str
    agent: str
    by_token: bool = False
    rounds: list[tuple[float, float]] = field(default_factory=list)
    errors: int = 0

    def ask(self, system: System, *, streams: int, ramp_s: float) -> None:
        """Open so many streams evenly, and read each to its end."""
        arguments = ["--model", self.agent, "--stream", "--streams", str(streams), "--ramp-s", str(ramp_s)]
        if self.by_token:
            arguments += ["--payment-token", system.payment_token]
        figures = asked_of(system, arguments)
        self.rounds.append(quantiles_ms(figures.first_chunk_s))
        self.errors += figures.errors + len(figures.failures)

    def quantile(self, which: int) -> float:
        """The median over the rounds."""
        return median(waits[which] for waits in self.rounds)


def main() -> None:
    """Measure both and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--streams", type=int, default=60, help="how many a round")
    parser.add_argument("--ramp-s", type=float, default=6.0, help="within how many seconds they begin")
    asked = parser.parse_args()
    all_waits = (
        Waits(name="free", agent=FREE),
        Waits(name="priced", agent=MODEL),
        Waits(name="with a budget", agent=f"limited-{MODEL}"),
        Waits(name="by a token", agent=MODEL, by_token=True),
    )
    upstream = free_port()
    with (
        running("benchmarks.upstream", "--port", str(upstream), port=upstream, cpu=1),
        platform_under_test(upstream, models=(MODEL,)) as system,
    ):
        for waits in all_waits:  # the first of its kind warms up
            waits.ask(system, streams=20, ramp_s=1.0)
            waits.rounds.clear()
        for _ in range(asked.rounds):
            for waits in all_waits:
                waits.ask(system, streams=asked.streams, ramp_s=asked.ramp_s)
    _report(all_waits, streams=asked.streams, ramp_s=asked.ramp_s)


def _report(all_waits: Sequence[Waits], *, streams: int, ramp_s: float) -> None:
    title = f"The wait for the first chunk, {streams / ramp_s:.0f} new streams a second"
    table = Table(title=title)
    for column in ("agent", "p50 ms", "p95 ms", "errors"):
        table.add_column(column, justify="left" if column == "agent" else "right")
    for waits in all_waits:
        table.add_row(waits.name, f"{waits.quantile(0):.1f}", f"{waits.quantile(1):.1f}", str(waits.errors))
    console = Console(record=True, width=120)
    console.print(table)
    free, *charged = all_waits
    for waits in charged:
        p50, p95 = (
            median(ours[which] - theirs[which] for ours, theirs in zip(waits.rounds, free.rounds, strict=True))
            for which in (0, 1)
        )
        console.print(
            f"{waits.name}: {p50:+.1f} ms at p50, {p95:+.1f} ms at p95 (medians of {len(free.rounds)} rounds in turns; "
            f"{MOST_MS:.0f} at most), {waits.quantile(1) / free.quantile(1):.2f} times the wait of a free run at p95"
        )
    load = os.getloadavg()[1]
    console.print(f"the machine had {load:.1f} processes waiting for its {os.cpu_count()} cores (5 minutes)")
    RESULTS.mkdir(exist_ok=True)
    name = f"{datetime.now(UTC):%Y-%m-%d-%H%M}-holds.txt"
    (RESULTS / name).write_text(console.export_text())


if __name__ == "__main__":
    main()
