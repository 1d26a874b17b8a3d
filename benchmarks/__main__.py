"""`python -m benchmarks`: the platform beside a bare pass-through in one run, as one table, kept by date."""

import argparse
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.platform import platform_under_test
from benchmarks.processes import free_port, running
from benchmarks.streams import Row, System, measure

RESULTS: Final = Path(__file__).parent / "results"
LOADS: Final = ("W1", "W2", "W3r")
MODELS: Final = ("words-1-0", "words-50-0", "words-50-100")


def main() -> None:
    """Measure every system under every load and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="how long W1 and W2 last")
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=LOADS)
    asked = parser.parse_args()
    with ExitStack() as stack:
        upstream = free_port()
        stack.enter_context(running("benchmarks.upstream", "--port", str(upstream), port=upstream, cpu=1))
        systems = (_passthrough(stack, upstream), stack.enter_context(platform_under_test(upstream, models=MODELS)))
        rows = [measure(system, load=load, seconds=asked.seconds) for load in asked.loads for system in systems]
    _report(rows)


def _passthrough(stack: ExitStack, upstream: int) -> System:
    port = free_port()
    process_id = stack.enter_context(
        running(
            "uvicorn",
            *("benchmarks.passthrough:application", "--port", str(port), "--log-level", "warning", "--no-access-log"),
            port=port,
            cpu=0,
            environment={"UPSTREAM": f"http://127.0.0.1:{upstream}"},
        )
    )
    models = {model: model for model in MODELS}
    return System(name="bare pass-through", port=port, process_id=process_id, key="none", models=models)


def _report(rows: list[Row]) -> None:
    table = Table(title="The whole path beside a bare pass-through, one server core each")
    columns = ("load", "system", "req/s", "chunk/s", "CPU µs/req", "CPU µs/chunk", "first ms", "lag ms", "errors", "MB")
    for column in columns:
        table.add_column(column, justify="left" if column in {"load", "system"} else "right")
    for row in rows:
        table.add_row(*_cells(row))
    console = Console(record=True, width=150)
    console.print(table)
    for load in dict.fromkeys(row.load for row in rows):
        bare, ours = (row for row in rows if row.load == load)
        console.print(
            f"{load}: {ours.requests_per_s / bare.requests_per_s:.2f} of the pass-through's requests per second, "
            f"{ours.cpu_us_per_request / max(bare.cpu_us_per_request, 1e-9):.1f} times its CPU per request"
        )
    RESULTS.mkdir(exist_ok=True)
    name = f"{datetime.now(UTC):%Y-%m-%d-%H%M}-streams.txt"
    (RESULTS / name).write_text(console.export_text())


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.load,
        row.system,
        f"{row.requests_per_s:.0f}",
        f"{row.chunks_per_s:.0f}",
        f"{row.cpu_us_per_request:.0f}",
        f"{row.cpu_us_per_chunk:.1f}" if row.chunks_per_s else "",
        "{:.0f}/{:.0f}".format(*row.first_chunk_ms),
        "{:.1f}/{:.1f}".format(*row.lag_ms) if row.chunks_per_s else "",
        str(row.errors),
        f"{row.peak_mb:.0f}",
    )


if __name__ == "__main__":
    main()
