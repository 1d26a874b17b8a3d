"""Changes that processes tell each other: on commit, to all, and after a lost connection everything at once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psycopg
import pytest

from tenants import notify
from tenants.context import atomic, organization_context, platform_context
from tenants.models import Organization
from tests import make


class Heard:
    """What a subscriber was told."""

    def __init__(self) -> None:
        self.keys: list[str | None] = []
        self._told = threading.Condition()

    def __call__(self, key: str | None) -> None:
        with self._told:
            self.keys.append(key)
            self._told.notify_all()

    def until(self, holds: Callable[[list[str | None]], bool], *, within_s: float = 5) -> bool:
        with self._told:
            return self._told.wait_for(lambda: holds(self.keys), within_s)


@pytest.fixture
def topic(database: None) -> str:
    return make.unique("topic")


@pytest.fixture
def heard(topic: str) -> Iterator[Heard]:
    """A subscriber in a process that listens."""
    subscriber = Heard()
    notify.subscribe(topic, subscriber)
    notify.stop_listener()
    notify.start_listener()
    assert notify.listening(5)
    assert subscriber.until(lambda keys: None in keys)
    yield subscriber
    notify._callbacks.pop(topic)


def test_a_change_is_heard(acme: Organization, topic: str, heard: Heard) -> None:
    with organization_context(acme.id):
        notify.publish(topic, "one thing")

    assert heard.until(lambda keys: "one thing" in keys)


def test_a_change_is_heard_once_it_is_committed(acme: Organization, topic: str, heard: Heard) -> None:
    with platform_context(reason="a test"), atomic():
        notify.publish(topic, "late")
        too_early = heard.until(lambda keys: "late" in keys, within_s=0.3)

    assert not too_early
    assert heard.until(lambda keys: "late" in keys)


def test_what_is_rolled_back_is_never_heard(acme: Organization, topic: str, heard: Heard) -> None:
    with suppress(KeyError), organization_context(acme.id), atomic():
        notify.publish(topic, "undone")
        raise KeyError
    with organization_context(acme.id):
        notify.publish(topic, "done")

    assert heard.until(lambda keys: "done" in keys)
    assert "undone" not in heard.keys


def test_after_a_lost_connection_everything_may_have_changed(
    topic: str, heard: Heard, database_urls: dict[str, str]
) -> None:
    told_before = heard.keys.count(None)
    with psycopg.connect(database_urls["app"], autocommit=True) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN %' AND usename = current_user"
        )

    assert heard.until(lambda keys: keys.count(None) > told_before)


def test_listening_twice_is_listening_once(heard: Heard) -> None:
    notify.start_listener()

    assert [thread.name for thread in threading.enumerate()].count("notify") == 1


def test_a_quiet_connection_is_probed(heard: Heard, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "PROBE_S", 0.1)
    monkeypatch.setattr(notify, "RETRY_S", 0.05)
    notify.stop_listener()
    notify.start_listener()
    assert notify.listening(5)
    time.sleep(0.3)
    with platform_context(reason="a test"):
        notify.publish(topic, "still here")

    assert heard.until(lambda keys: "still here" in keys)


def test_who_does_not_listen_hears_nothing(database: None) -> None:
    notify.stop_listener()

    assert not notify.listening(0)
