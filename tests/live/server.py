"""A real server process with our application: started, asked whether it is ready, stopped or killed."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import httpx

START_SECONDS = 60.0
STOP_SECONDS = 30.0
_PAUSE_S = 0.02

Kind = Literal["uvicorn", "daphne"]


class LiveServer:
    """One process under uvicorn, as in production, or under daphne, as `manage.py runserver` has it."""

    def __init__(self, environment: Mapping[str, str], log: Path, *, kind: Kind = "uvicorn", **settings: str) -> None:
        self.log = log
        self._kind = kind
        self._environment = {**environment, **settings}
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """The end of what it has written to its log."""
        return self.log.read_text(errors="replace")[-4_000:]

    def __enter__(self) -> Self:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self._command(), env=self._environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        with contextlib.ExitStack() as unless_ready:
            unless_ready.callback(self.kill)
            self._wait()
            unless_ready.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        if self.process.poll() is None:
            self.kill()

    def is_ready(self) -> bool:
        """Whether it says that it can be given work."""
        try:
            return httpx.get(f"{self.url}/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def terminate(self, by: int = signal.SIGTERM) -> None:
        """Ask it to leave."""
        assert self.process is not None
        self.process.send_signal(by)

    def exit_code(self, *, within_s: float = STOP_SECONDS) -> int:
        """What it ends with, once it does."""
        assert self.process is not None
        return self.process.wait(within_s)

    def kill(self) -> None:
        """End it where it stands."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def _wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(_PAUSE_S)

    def _command(self) -> list[str]:
        if self._kind == "daphne":
            return [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{self.port}"]
        return [sys.executable, "manage.py", "serve", "--port", str(self.port)]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
