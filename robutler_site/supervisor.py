"""`up`: the whole platform on one machine, started in order, looked after, and ended without a trace."""

import http.client
import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

from django.conf import settings
from rich.console import Console

from robutler_site import demo, first_call, metrics_files, provider, servers, startup
from robutler_site.children import STOP_SECONDS, Child, Family, Guardian
from robutler_site.database import DatabaseStartFailed, EmbeddedServer
from robutler_site.queues import QUEUES, TOOLS

READY_SECONDS = 90
FATAL_CRASHES = 3
_WORKER_PROCESSES = 2
_TOOLS_AT_ONCE = 16
# Streams may finish for so long; what is left is told that the server stops, before it is killed.
_DRAIN_S = STOP_SECONDS - 4
_PROBE_TIMEOUT_S = 5.0
_PROBE_PAUSE_S = 0.05
_LOOK_PAUSE_S = 0.5


class DidNotStart(Exception):
    """A part of the platform did not come up; the message ends with what it said."""


@dataclass(kw_only=True)
class Interruptions:
    """Ctrl-C and SIGTERM: the first stops the platform, one more while it stops means now.

    The exception may get lost on its way, in a destructor for instance, so whoever waits has to `heed` them as well.
    """

    stopping: bool = False
    hurried: bool = False

    def heed(self) -> None:
        """Stop here if a signal came and its exception got lost."""
        if self.stopping:
            raise KeyboardInterrupt

    def receive(self, number: int, frame: FrameType | None) -> None:
        if self.stopping:
            self.hurried = True
            return
        self.stopping = True
        raise KeyboardInterrupt


def up(*, port: int, console: Console) -> None:
    """Run the platform until a signal ends it."""
    if settings.ROBUTLER.env == "production":
        raise DidNotStart(
            "`up` is for one's own machine: it makes demonstration accounts. See docs/how-to for production."
        )
    interruptions = Interruptions()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Whoever started us with nohup wants us to stay when the terminal closes.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interruptions.receive)
    try:
        with startup.only_one(settings.ROBUTLER.var_dir) as lock:
            # What the environment names is asked before anything runs, so that a refusal stands alone.
            servers.check()
            models = provider.from_environment()
            if models.remark:
                console.print(models.remark, markup=False)
            _serve(lock, models, interruptions, port=port, console=console)
    except KeyboardInterrupt:
        with suppress(OSError):
            console.print("Stopped.")


def _serve(
    lock: TextIO, models: provider.Provider, interruptions: Interruptions, *, port: int, console: Console
) -> None:
    started_at = time.monotonic()
    with Guardian(lock_fd=lock.fileno()) as guard:
        listener = startup.listen(port)
        chosen = listener.getsockname()[1]
        if chosen != port:
            console.print(f"Port {port} is taken; using {chosen}.")
        url = f"http://{startup.HOST}:{chosen}"
        startup.tell_others(lock, url=url)
        with (
            listener,
            _database(guard, console) as server,
            _family(guard, interruptions, console) as family,
        ):
            web, *others = _children(listener.fileno(), demo.environment(models))
            # The web process loads for longer than all of the following takes; nobody asks it anything before.
            family.add(web)
            cast = _prepare(server, models, url=url, console=console)
            _wait_until_ready(family, url, console)
            console.print(f"Ready after {time.monotonic() - started_at:.1f} s.")
            for child in others:
                family.add(child)
            first_call.show(cast, console)
            console.print(f"\nLogs are in {web.log.parent}. Ctrl-C stops everything.")
            while True:
                interruptions.heed()
                _tend_database(server, console)
                _tend(family, console)
                time.sleep(_LOOK_PAUSE_S)


def _prepare(server: EmbeddedServer | None, models: provider.Provider, *, url: str, console: Console) -> demo.Cast:
    startup.prepare_static_files()
    if server is not None:
        startup.start_database(server)
    applied = startup.migrate()
    if applied:
        console.print(f"Database: {applied} migrations applied.")
    cast = demo.prepare(url, models)
    startup.close_connections()
    return cast


def _children(listener_fd: int, environment: dict[str, str]) -> list[Child]:
    logs: Path = settings.ROBUTLER.var_dir / "log"
    celery = (sys.executable, "-m", "celery", "-A", "robutler_site", "--quiet")
    web = (sys.executable, "manage.py", "serve", "--fd", str(listener_fd))
    alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    books = (
        *celery, "worker", "--queues", ",".join(queue for queue in QUEUES if queue != TOOLS),
        "--concurrency", str(_WORKER_PROCESSES), "--hostname", "worker@%h", *alone,
    )  # fmt: skip
    # Tools mostly wait, and must not keep the books waiting: they have a worker of their own.
    tools = (
        *celery, "worker", "--queues", TOOLS, "--pool", "threads", "--concurrency", str(_TOOLS_AT_ONCE),
        "--hostname", "tools@%h", *alone,
    )  # fmt: skip
    commands = {"web": web, "worker": books, "tools": tools, "beat": (*celery, "beat", "--pidfile", "")}
    counted = metrics_files.prepare(settings.ROBUTLER.var_dir / "metrics")
    every = {
        "PYTHONUNBUFFERED": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "ROBUTLER_DRAIN_S": str(_DRAIN_S),
        **counted,
        **environment,
    }
    quiet = {**every, "ROBUTLER_METRICS_PORT": "0"}  # the web process serves the metrics of all
    if "ROBUTLER_LOG_LEVEL" not in os.environ:
        # Of work that recurs every few seconds, only what goes wrong is worth a line.
        quiet["ROBUTLER_LOG_LEVEL"] = "WARNING"
    return [
        Child(
            name=name,
            command=command,
            directory=settings.BASE_DIR,
            log=logs / f"{name}.log",
            environment=every if name == "web" else quiet,
            pass_fds=(listener_fd,) if name == "web" else (),
        )
        for name, command in commands.items()
    ]


def _wait_until_ready(family: Family, url: str, console: Console) -> None:
    deadline = time.monotonic() + READY_SECONDS
    host = url.removeprefix("http://")
    while not _is_ready(host):
        _tend(family, console)
        for child in family.children:
            if child.crashes >= FATAL_CRASHES:
                raise DidNotStart(f"{child.name} does not stay up. It says:\n{child.last_lines()}")
        if time.monotonic() > deadline:
            said = "\n".join(child.last_lines() for child in family.children)
            raise DidNotStart(f"Not ready after {READY_SECONDS} s. The processes say:\n{said}")
        time.sleep(_PROBE_PAUSE_S)


def _is_ready(host: str) -> bool:
    connection = http.client.HTTPConnection(host, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tend(family: Family, console: Console) -> None:
    for child, code in family.tend():
        pause = max(0.0, child.start_at - time.monotonic())
        console.print(f"{child.name} ended by itself (exit code {code}); starting it again in {pause:.1f} s. It said:")
        console.print(child.last_lines(), markup=False, highlight=False)


def _tend_database(server: EmbeddedServer | None, console: Console) -> None:
    """Start the embedded server again when it ended by itself; everybody connects anew."""
    if server is None or not server.has_ended():
        return
    console.print("PostgreSQL ended by itself; starting it again.")
    try:
        server.start()
    except DatabaseStartFailed as error:
        console.print(f"It did not start: {error}", markup=False)


@contextmanager
def _family(guard: Guardian, interruptions: Interruptions, console: Console) -> Generator[Family]:
    family = Family(guard)
    try:
        yield family
    finally:
        interruptions.stopping = True
        with suppress(OSError):  # the terminal may be gone
            console.print("\nStopping …")
        killed = family.end(hurried=lambda: interruptions.hurried)
        with suppress(OSError):
            for name in killed:
                console.print(f"{name} did not end in time and was killed.")


@contextmanager
def _database(guard: Guardian, console: Console) -> Generator[EmbeddedServer | None]:
    """Answer for the embedded server, if it is ours to start: stop it at the end."""
    server = startup.own_server()
    if server is None:
        yield None
        return
    if server.data_dir != settings.EMBEDDED_DATA_DIR.absolute():
        console.print(
            f"The database is in {server.data_dir}: its own user cannot reach {settings.EMBEDDED_DATA_DIR}. "
            f"Who removes {settings.ROBUTLER.var_dir} to begin again has to remove it as well."
        )
    startup.refuse_another_installation(server)
    was_running = server.is_running()
    if not was_running:
        guard.tell(f"postgres {server.data_dir}")
    try:
        yield server
    finally:
        startup.close_connections()
        if not was_running:
            server.stop()
            guard.tell("postgres-stopped")
