"""Child processes of a benchmark: pinned to a core, waited for, measured through /proc and always ended."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

START_S: Final = 60
STOP_S: Final = 30
TICKS: Final = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(module: str, *arguments: str, port: int, cpu: int, environment: Mapping[str, str] = {}) -> Iterator[int]:
    """A `python -m module` that listens on `port`, pinned to `cpu`; yields its process id."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # our own modules with our own arguments
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, **environment},
            stdout=said,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),  # noqa: PLW1509  # the parent has no threads
        )
        try:
            _wait_until_listening(port, process, said)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def cpu_seconds(process_id: int) -> float:
    """User and system time the process has used so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(process_id: int) -> float:
    """The most memory the process has held so far."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _wait_until_listening(port: int, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said.seek(0)
            last = said.read()[-2000:].decode(errors="replace")
            raise RuntimeError(f"The process for port {port} ended with status {process.returncode}:\n{last}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"Nothing listens on port {port} after {START_S} s.")
