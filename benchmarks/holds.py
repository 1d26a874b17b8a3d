"""`python -m benchmarks.holds`: what reserving money adds to the wait for the first chunk.

The same streams at the same pace, of an agent that is free and of one that costs something by the run, in turns on one
platform. A free run's charge is written down as well, but nothing is locked, reserved or moved for it.
"""

import argparse
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
    rounds: list[tuple[float, float]] = field(default_factory=list)
    errors: int = 0

    def ask(self, system: System, *, streams: int, ramp_s: float) -> None:
        """Open so many streams evenly, and read each to its end."""
        arguments = ["--model", self.agent, "--stream", "--streams", str(streams), "--ramp-s", str(ramp_s)]
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
    parser.add_argument("--streams", type=int, default=200, help="how many a round")
    parser.add_argument("--ramp-s", type=float, default=4.0, help="within how many seconds they begin")
    asked = parser.parse_args()
    free, priced = Waits(name="free", agent=FREE), Waits(name="priced", agent=MODEL)
    upstream = free_port()
    with (
        running("benchmarks.upstream", "--port", str(upstream), port=upstream, cpu=1),
        platform_under_test(upstream, models=(MODEL,)) as system,
    ):
        for waits in (free, priced):  # the first of its kind warms up
            waits.ask(system, streams=20, ramp_s=1.0)
            waits.rounds.clear()
        for _ in range(asked.rounds):
            for waits in (free, priced):
                waits.ask(system, streams=asked.streams, ramp_s=asked.ramp_s)
    _report((free, priced), streams=asked.streams, ramp_s=asked.ramp_s)


def _report(both: Sequence[Waits], *, streams: int, ramp_s: float) -> None:
    title = f"The wait for the first chunk, {streams / ramp_s:.0f} new streams a second"
    table = Table(title=title)
    for column in ("agent", "p50 ms", "p95 ms", "errors"):
        table.add_column(column, justify="left" if column == "agent" else "right")
    for waits in both:
        table.add_row(waits.name, f"{waits.quantile(0):.1f}", f"{waits.quantile(1):.1f}", str(waits.errors))
    free, priced = both
    added = [ours[1] - theirs[1] for ours, theirs in zip(priced.rounds, free.rounds, strict=True)]
    console = Console(record=True, width=120)
    console.print(table)
    console.print(
        f"a hold adds {median(added):.1f} ms at p95 (median of {len(added)} rounds; {MOST_MS:.0f} at most), "
        f"{priced.quantile(1) / free.quantile(1):.2f} times the wait of a free run"
    )
    RESULTS.mkdir(exist_ok=True)
    name = f"{datetime.now(UTC):%Y-%m-%d-%H%M}-holds.txt"
    (RESULTS / name).write_text(console.export_text())


if __name__ == "__main__":
    main()
