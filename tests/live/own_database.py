"""A PostgreSQL of one test's own, with a copy of everything in this worker's database: to be stopped and started."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from robutler_site.database import EmbeddedServer, embedded_server, ensure_database
from tests.live.books import Books

VARIABLES = {"DATABASE_URL": "app", "DATABASE_PLATFORM_URL": "platform", "DATABASE_OWNER_URL": "owner"}


class OwnDatabase:
    """The server, and how to reach it."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.books = Books(server.dsn(role="postgres"))

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead a process here."""
        return {name: self.server.dsn(role=f"robutler_{role}") for name, role in VARIABLES.items()}

    def copy(self, url: str) -> None:
        """Have all that is in another database."""
        ensure_database(self.server.dsn(role="postgres", database="postgres"))
        binaries = self.server.binaries
        with tempfile.TemporaryFile() as dump:
            subprocess.run([binaries / "pg_dump", "--dbname", url, "--no-comments"], check=True, stdout=dump)
            dump.seek(0)
            subprocess.run(
                [binaries / "psql", "--dbname", self.server.dsn(role="postgres"), "--quiet", "--no-psqlrc"],
                check=True,
                stdin=dump,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )


@contextmanager
def own_database(urls: Mapping[str, str]) -> Iterator[OwnDatabase]:
    """Start one with what is in the database at `urls`."""
    room = Path(tempfile.mkdtemp(prefix="robutler-room-"))
    room.chmod(0o755)
    made = OwnDatabase(embedded_server(room / "postgres", options={"fsync": "off"}))
    try:
        made.server.start()
        made.copy(urls["owner"].replace("robutler_owner", "postgres"))
        yield made
    finally:
        made.server.stop()
        shutil.rmtree(room)
