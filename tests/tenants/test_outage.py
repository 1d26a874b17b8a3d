"""A database that goes away and comes back: refused within a moment, served again within two seconds."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError

from robutler_site.database import EmbeddedServer, embedded_server
from tenants.postgres.base import DatabaseWrapper


@pytest.fixture
def server(database: None) -> Iterator[EmbeddedServer]:
    """A server of this test's own."""
    room = Path(tempfile.mkdtemp(prefix="robutler-room-"))
    room.chmod(0o755)
    made = embedded_server(room / "postgres", options={"fsync": "off"})
    made.start()
    yield made
    made.stop()
    shutil.rmtree(room)


@pytest.fixture
def connection(server: EmbeddedServer) -> Iterator[DatabaseWrapper]:
    """A pooled connection to it, as the application's are."""
    of_application: dict[str, Any] = settings.DATABASES["default"]
    place = {"HOST": str(server.socket_dir), "USER": "postgres", "NAME": "postgres"}
    made = DatabaseWrapper({**of_application, **place}, alias="outage")
    yield made
    made.close()
    made.close_pool()


def asked(connection: DatabaseWrapper) -> bool:
    """Whether a statement is answered; the connection goes back to its pool."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone() == (1,))
    except OperationalError:
        return False
    finally:
        connection.close()


def test_an_outage_is_noticed_quickly_and_ends_quickly(server: EmbeddedServer, connection: DatabaseWrapper) -> None:
    before = asked(connection)
    server.stop()
    started = time.monotonic()
    during = [asked(connection) for _ in range(3)]
    each = (time.monotonic() - started) / 3
    server.start()
    started = time.monotonic()
    while not asked(connection):
        assert time.monotonic() - started < 2

    assert (before, during) == (True, [False, False, False])
    assert each < 1.5
