"""A tiny process that outlives a killed supervisor just long enough to end its children and the database.

It runs by path and imports the standard library only, so that it starts at once and weighs little.
"""

import os
import signal
import sys
import time
from pathlib import Path

TERM_SECONDS = 8.0
_PAUSE_S = 0.05


def main() -> None:
    """Keep a list of what runs, as told on standard input; when that ends, the supervisor is gone: end what is left."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    groups: set[int] = set()
    data_dir: Path | None = None
    for line in sys.stdin:
        order, _, argument = line.strip().partition(" ")
        match order:
            case "watch":
                groups.add(int(argument))
            case "forget":
                groups.discard(int(argument))
            case "postgres":
                data_dir = Path(argument)
            case "postgres-stopped":
                data_dir = None
    end_groups(groups, patience_s=TERM_SECONDS)
    if data_dir is not None:
        stop_postgres(data_dir)


def end_groups(groups: set[int], *, patience_s: float) -> None:
    """Ask the leaders of process groups to end, wait, and kill what is left of the groups."""
    for group in groups:
        _signal(group, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and any(is_alive(group) for group in groups):
        time.sleep(_PAUSE_S)
    for group in groups:
        _signal(-group, signal.SIGKILL)


def stop_postgres(data_dir: Path) -> None:
    """Ask the server of `data_dir` for a fast shutdown; it writes its checkpoint and ends by itself."""
    try:
        pid = int((data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    _signal(pid, signal.SIGINT)
    deadline = time.monotonic() + TERM_SECONDS
    while time.monotonic() < deadline and (data_dir / "postmaster.pid").exists():
        time.sleep(_PAUSE_S)


def is_alive(pid: int) -> bool:
    """Whether a process exists and has not merely been left unburied."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return not Path("/proc/self").exists() and _signal(pid, 0)
    except ProcessLookupError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
