"""What `up` needs before anything runs: that it is the only one here, a port, and a database with its tables."""

import fcntl
import os
import pwd
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from robutler_site import database

HOST = "127.0.0.1"
PORTS_TRIED = 100
# How long the guardian of a killed supervisor may take to clean up behind it.
CLEANUP_SECONDS = 20
_BACKLOG = 2048
_PAUSE_S = 0.1


class AlreadyRunning(Exception):
    """Another `up` holds this var directory; the message says which."""


class NoFreePort(Exception):
    """Every port that was tried is taken, or may not be listened on."""


class AnotherInstallation(Exception):
    """The database outlived the var directory it was made with, and so the keys that open what is in it."""


class NotOurs(Exception):
    """Something in the var directory cannot be written to by whoever runs this."""

    def __init__(self, place: str | Path) -> None:
        super().__init__(
            f"{place} cannot be written to by the user who runs this ({_user()}), and everything made here goes there: "
            f"make it theirs (sudo chown -R {_user()} {settings.ROBUTLER.var_dir}), "
            "or set ROBUTLER_VAR_DIR to a directory that can be written to."
        )


@contextmanager
def only_one(var_dir: Path) -> Generator[TextIO]:
    """Hold the lock of this var directory; what is written to it tells others who holds it."""
    var_dir.mkdir(parents=True, exist_ok=True)
    if not os.access(var_dir, os.R_OK | os.W_OK | os.X_OK):
        raise NotOurs(var_dir)
    with (var_dir / "up.lock").open("a+") as file:
        _take(file, var_dir)
        yield file


def tell_others(lock: TextIO, *, url: str) -> None:
    """Write down who runs here and where."""
    lock.seek(0)
    lock.truncate()
    lock.write(f"{os.getpid()} {url}\n")
    lock.flush()


def listen(port: int) -> socket.socket:
    """Return a listening socket on `port` or the next free one; it stays ours while the web process comes and goes."""
    last = min(port + PORTS_TRIED, 65_536) - 1
    for candidate in range(port, last + 1):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, candidate))
            listener.listen(_BACKLOG)
        except PermissionError:
            listener.close()
            raise NoFreePort(f"Port {candidate} is not for ordinary users: set ROBUTLER_PORT above 1023.") from None
        except OSError:
            listener.close()
            continue
        return listener
    raise NoFreePort(f"Ports {port} to {last} are all taken: set ROBUTLER_PORT to a free one.")


def start_database(server: database.EmbeddedServer) -> None:
    """Start the embedded server and make sure that our database and its roles are in it."""
    refuse_another_installation(server)
    server.start()
    database.ensure_database(server.dsn(role="postgres", database="postgres"))
    _mark(server)


def refuse_another_installation(server: database.EmbeddedServer) -> None:
    """Raise AnotherInstallation when the server's data and the var directory do not belong together."""
    here, there = _identities(server)
    if there.exists() and (not here.exists() or here.read_text() != there.read_text()):
        raise AnotherInstallation(
            f"{here.parent} is new, but the database that belongs to the one before is still in {server.data_dir}, "
            "and the keys that open its secrets are gone. "
            f"To begin again, remove it too: rm -rf {server.data_dir}. To keep it, bring the old {here.parent} back."
        )


def prepare_static_files() -> None:
    """Make sure there is a place for static files; outside of production they are served from where they lie."""
    if settings.STATIC_ROOT is not None:
        Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


def own_server() -> database.EmbeddedServer | None:
    """Return the embedded server, None when DATABASE_URL names another."""
    if not settings.ROBUTLER.embedded_database:
        return None
    return database.embedded_server(settings.EMBEDDED_DATA_DIR)


def pending_migrations() -> int:
    """Count the migrations that the database still lacks."""
    executor = MigrationExecutor(connections["owner"])
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def migrate() -> int:
    """Bring the tables up to date as their owner; return how many migrations that took."""
    pending = pending_migrations()
    if pending:
        call_command("migrate", database="owner", interactive=False, verbosity=0)
    return pending


def close_connections() -> None:
    """Give back every database connection of this process."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        if connection.settings_dict["OPTIONS"].get("pool"):
            connection.close_pool()  # type: ignore[attr-defined]


def _mark(server: database.EmbeddedServer) -> None:
    """Write the same identity into the var directory and beside the data, which may lie elsewhere."""
    here, there = _identities(server)
    if not here.exists():
        here.write_text(f"{uuid4()}\n")
    if not there.exists():
        there.write_text(here.read_text())


def _identities(server: database.EmbeddedServer) -> tuple[Path, Path]:
    return settings.ROBUTLER.var_dir / "installation", server.data_dir / "robutler-installation"


def _take(file: TextIO, var_dir: Path) -> None:
    deadline = time.monotonic() + CLEANUP_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid, _, url = file.read().strip().partition(" ")
            if _is_alive(pid) or time.monotonic() > deadline:
                raise AlreadyRunning(
                    f"Robutler is running already in {var_dir} (process {pid or 'unknown'}) at {url or 'a moment'}. "
                    f"Stop it with Ctrl-C where it runs, or with: kill {pid or 'its process id'}. "
                    "Set ROBUTLER_VAR_DIR to run another beside it."
                ) from None
            time.sleep(_PAUSE_S)
        else:
            return


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _is_alive(pid: str) -> bool:
    if not pid.isdecimal():
        return True  # It has only just taken the lock and not said yet who it is.
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
