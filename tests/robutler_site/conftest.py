"""Connections to the broker of this worker's database, and a way to wait for what other processes do."""

import time
from collections.abc import Callable, Generator
from uuid import uuid4

import pytest
from kombu import Connection

from robutler_site import broker
from robutler_site.messages import MessageStore

PATIENCE_S = 60.0


def eventually(holds: Callable[[], bool], *, within_s: float = PATIENCE_S) -> bool:
    """Wait until a condition holds; False when it does not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def queue() -> str:
    """A queue of this test's own."""
    return f"test-{uuid4().hex}"


@pytest.fixture
def broker_dsn(database_urls: dict[str, str]) -> str:
    """The database the broker lives in, as the application's role."""
    return database_urls["app"]


@pytest.fixture
def store(broker_dsn: str) -> Generator[MessageStore]:
    """One session of the broker."""
    store = MessageStore(broker_dsn)
    yield store
    store.close()


@pytest.fixture
def other_store(broker_dsn: str) -> Generator[MessageStore]:
    """Another session of the broker."""
    store = MessageStore(broker_dsn)
    yield store
    store.close()


@pytest.fixture
def connection(broker_dsn: str) -> Generator[Connection]:
    """The broker as kombu sees it."""
    broker.register()
    with Connection(broker.url_of(broker_dsn)) as connection:
        yield connection
