"""The supervisor's child processes: each leads a process group, is started again when it crashes, and can be ended."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from robutler_site import guardian

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
# A child that lived this long is healthy; its next crash starts counting anew.
HEALTHY_S = 60.0
STOP_SECONDS = 10.0
LARGEST_LOG_BYTES = 10_000_000
_PAUSE_S = 0.05


class Guardian:
    """The process that cleans up should the supervisor be killed; it holds the supervisor's lock until it is done."""

    def __init__(self, *, lock_fd: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(lock_fd,),
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Whatever nobody cleaned up on the way here, it does now.
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def tell(self, order: str) -> None:
        """Pass on one order; a guardian that is gone takes none, and the supervisor goes on without it."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{order}\n")
            self._process.stdin.flush()


@dataclass(kw_only=True)
class Child:
    """One process of the platform: its command, where its output goes, and how often it fell."""

    name: str
    command: Sequence[str]
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    process: "subprocess.Popen[bytes] | None" = None
    crashes: int = 0
    start_at: float = 0.0
    _started_at: float = 0.0

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start the process at the head of a group of its own: a Ctrl-C in the terminal reaches the supervisor only."""
        self._trim_log()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
                pass_fds=self.pass_fds,
            )
        self._started_at = time.monotonic()

    def crashed(self) -> int | None:
        """Return the exit code of a process that ended by itself and was not yet buried."""
        if self.process is None:
            return None
        code = self.process.poll()
        if code is None:
            return None
        _kill_group(self.process.pid)
        self.process = None
        if time.monotonic() - self._started_at > HEALTHY_S:
            self.crashes = 0
        pause = min(FIRST_BACKOFF_S * 2**self.crashes, LONGEST_BACKOFF_S)
        self.crashes += 1
        self.start_at = time.monotonic() + pause
        return code

    def last_lines(self, count: int = 15) -> str:
        """Return the end of the process's output."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 16_384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])

    def _trim_log(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))


class Family:
    """All children together: started under the guardian's eyes, revived when they fall, ended within a bounded time."""

    def __init__(self, guard: Guardian) -> None:
        self.children: list[Child] = []
        self._guardian = guard

    def add(self, child: Child) -> None:
        """Start a child and look after it from now on."""
        self.children.append(child)
        self._start(child)

    def tend(self) -> list[tuple[Child, int]]:
        """Start fallen children again when their pause is over; return those that fell since the last look."""
        fallen = []
        for child in self.children:
            pid = child.process.pid if child.process else None
            code = child.crashed()
            if code is not None:
                self._guardian.tell(f"forget {pid}")
                fallen.append((child, code))
            elif child.process is None and time.monotonic() >= child.start_at:
                self._start(child)
        return fallen

    def end(self, *, hurried: Callable[[], bool]) -> list[str]:
        """Ask every child to end, wait unless `hurried`, kill what is left; return the names of those killed."""
        running = {child.name: child.process for child in self.children if child.process is not None}
        for process in running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and not hurried():
            if all(process.poll() is not None for process in running.values()):
                break
            time.sleep(_PAUSE_S)
        killed = [name for name, process in running.items() if process.poll() is None]
        for process in running.values():
            _kill_group(process.pid)
            process.wait()
            self._guardian.tell(f"forget {process.pid}")
        self.children.clear()
        return killed

    def _start(self, child: Child) -> None:
        child.start()
        self._guardian.tell(f"watch {child.pid}")


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # The whole group is gone already.
