"""W1, W2 and W3r: the whole path of a completion beside a bare pass-through, against the same upstream.

W1: tiny non-streaming replies over 64 connections. W2: 50 chunks without gaps, 64 connections.
W3r: 1000 open streams of 50 chunks, one every 100 ms.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from benchmarks.load import Figures
from benchmarks.processes import cpu_seconds, resident_mb

CONNECTIONS: Final = 64
STREAMS: Final = 1000
RAMP_S: Final = 4.0


@dataclass(frozen=True, kw_only=True)
class System:
    """Something that relays completions: where it listens, whose key it takes and which process to measure.

    `models` maps an upstream's model (`words-50-0`) to the name this system has for it.
    """

    name: str
    port: int
    process_id: int
    key: str
    models: dict[str, str]
    payment_token: str = ""
    """Of money that was set aside within what another token allows."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The figures of one system under one load."""

    system: str
    load: str
    requests_per_s: float
    chunks_per_s: float
    cpu_us_per_request: float
    cpu_us_per_chunk: float
    first_chunk_ms: tuple[float, float]
    lag_ms: tuple[float, float]
    errors: int
    peak_mb: float


def measure(system: System, *, load: str, seconds: float) -> Row:
    """Put one load on one system and read its figures."""
    arguments = {
        "W1": ["--model", system.models["words-1-0"], "--connections", str(CONNECTIONS)],
        "W2": ["--model", system.models["words-50-0"], "--stream", "--connections", str(CONNECTIONS)],
        "W3r": [
            "--model",
            system.models["words-50-100"],
            "--stream",
            "--streams",
            str(STREAMS),
            "--ramp-s",
            str(RAMP_S),
        ],
    }[load]
    before = cpu_seconds(system.process_id)
    figures = asked_of(system, [*arguments, "--seconds", str(seconds)])
    used_us = (cpu_seconds(system.process_id) - before) * 1e6
    return Row(
        system=system.name,
        load=load,
        requests_per_s=figures.requests / figures.elapsed_s,
        chunks_per_s=figures.chunks / figures.elapsed_s,
        cpu_us_per_request=used_us / max(figures.requests, 1),
        cpu_us_per_chunk=used_us / max(figures.chunks, 1),
        first_chunk_ms=quantiles_ms(figures.first_chunk_s),
        lag_ms=quantiles_ms(figures.lag_s),
        errors=figures.errors + len(figures.failures),
        peak_mb=resident_mb(system.process_id),
    )


def asked_of(system: System, arguments: Sequence[str]) -> Figures:
    """What a load of these arguments saw of the system."""
    command = [
        *("taskset", "-c", "1", sys.executable, "-m", "benchmarks.load"),
        *("--port", str(system.port), "--key", system.key, *arguments),
    ]
    ended = subprocess.run(command, check=True, capture_output=True, timeout=180)  # our own module
    return msgspec.json.decode(ended.stdout, type=Figures)


def quantiles_ms(seconds: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    if not seconds:
        return (float("nan"), float("nan"))
    ordered = sorted(seconds)
    return (ordered[len(ordered) // 2] * 1000, ordered[int(len(ordered) * 0.95)] * 1000)
