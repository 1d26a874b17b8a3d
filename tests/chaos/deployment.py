"""A deployment as in production: two web servers, a worker, a scheduler, a database; who dies is started again."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.processes import free_port
from robutler_site.database import EmbeddedServer
from robutler_site.queues import QUEUES
from tests.live.own_database import OwnDatabase

READY_S = 90.0
STOP_S = 20.0
RESTART_PAUSE_S = 0.3
_LOOK_S = 0.1


class Process:
    """One part of it, with a process group of its own."""

    def __init__(self, name: str, command: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self.starts = 0
        self.frozen_at: float | None = None
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, whatever became of the one before."""
        self.starts += 1
        self.frozen_at = None
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, env=dict(self._environment), stdout=output, stderr=output, start_new_session=True
            )

    def send(self, number: int, *, to_all: bool = True) -> None:
        """Signal all of its processes, or only the first one."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number) if to_all else os.kill(self._process.pid, number)

    def freeze(self) -> None:
        """Let it stand still."""
        self.frozen_at = time.monotonic()
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)
        self.frozen_at = None

    def kill_a_child(self) -> None:
        """End one process that it has started, or itself when there is none."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.kill(next(iter(children(self._process.pid)), self._process.pid), signal.SIGKILL)

    def ended(self, *, within_s: float) -> bool:
        """Whether the one that runs ends in time."""
        assert self._process is not None
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """End it for good."""
        if not self.is_alive:
            return
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM, to_all=False)
        if not self.ended(within_s=STOP_S):
            self.send(signal.SIGKILL)
            self.ended(within_s=STOP_S)


class Web(Process):
    """A web server, on a port that it keeps."""

    def __init__(self, name: str, environment: Mapping[str, str], log: Path) -> None:
        self.port = free_port()
        super().__init__(name, (sys.executable, "manage.py", "serve", "--port", str(self.port)), environment, log)

    @property
    def is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False


@dataclass(kw_only=True)
class Deployment:
    """All its parts."""

    database: OwnDatabase
    webs: list[Web]
    worker: Process
    scheduler: Process
    others: list[Process]
    environment: Mapping[str, str]
    restarts: dict[str, int] = field(default_factory=dict)
    _is_ending: threading.Event = field(default_factory=threading.Event)

    @property
    def processes(self) -> list[Process]:
        return [*self.webs, self.worker, self.scheduler, *self.others]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start everything, and again whoever dies."""
        with ExitStack() as stack:
            for process in self.processes:
                stack.callback(process.stop)
                process.start()
            self.wait()
            keeper = threading.Thread(target=self._keep, name="keeper")
            keeper.start()
            stack.callback(keeper.join)
            stack.callback(self._is_ending.set)
            yield

    def wait(self) -> None:
        """Until every web server is ready."""
        deadline = time.monotonic() + READY_S
        while not all(web.is_ready for web in self.webs):
            assert self.restarts or all(web.is_alive for web in self.webs), [web.log.read_text() for web in self.webs]
            assert time.monotonic() < deadline, [web.log.read_text()[-2_000:] for web in self.webs]
            time.sleep(_LOOK_S)

    def _keep(self) -> None:
        while not self._is_ending.wait(_LOOK_S):
            for process in self.processes:
                if not process.is_alive:
                    time.sleep(RESTART_PAUSE_S)
                    self.restarts[process.name] = self.restarts.get(process.name, 0) + 1
                    process.start()


def deployment(
    database: OwnDatabase, environment: Mapping[str, str], room: Path, *, trees_for: str, truth: Path
) -> Deployment:
    """One on that database, with logs and spool in a room of its own; trees of holds are worked for one payer."""
    everybody = {
        **environment, **database.environment, "ROBUTLER_DRAIN_S": "3",
        "ROBUTLER_SPOOL_DIR": str(room / "spool"), "ROBUTLER_LOG_FORMAT": "json", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    celery = (sys.executable, "-m", "celery", "-A", "robutler_site", "--quiet")
    worker = (
        *celery, "worker", "--queues", ",".join(QUEUES), "--concurrency", "2", "--without-gossip", "--without-mingle",
        "--without-heartbeat",
    )  # fmt: skip
    trees = (sys.executable, "-m", "tests.chaos.trees", str(truth), trees_for)
    return Deployment(
        database=database,
        webs=[Web(f"web {number}", everybody, room / f"web-{number}.log") for number in (1, 2)],
        worker=Process("worker", worker, everybody, room / "worker.log"),
        scheduler=Process("scheduler", (*celery, "beat", "--pidfile", ""), everybody, room / "beat.log"),
        others=[Process("trees", trees, everybody, room / "trees.log")],
        environment=everybody,
    )


def postmaster(server: EmbeddedServer) -> int:
    """The first process of a database server."""
    return int((server.data_dir / "postmaster.pid").read_text().partition("\n")[0])


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
