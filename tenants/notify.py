"""Telling other processes that something changed, through PostgreSQL's NOTIFY."""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import connections

from tenants import context

Callback = Callable[[str | None], None]

CHANNEL = "robutler"
RETRY_S = 0.5
PROBE_S = 10.0

_log = logging.getLogger(__name__)
_callbacks: dict[str, list[Callback]] = {}
_listeners: dict[int, "_Listener"] = {}
_starting = threading.Lock()


def publish(topic: str, key: str) -> None:
    """Tell every process that `key` changed, when the current transaction commits."""
    with connections[context.alias()].cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{topic} {key}"))


def subscribe(topic: str, callback: Callback) -> None:
    """Call `callback(key)` for each change, `callback(None)` when some may have been missed: drop everything."""
    _callbacks.setdefault(topic, []).append(callback)


def start_listener() -> None:
    """Listen in this process from now on; once is enough, and again does no harm."""
    with _starting:
        pid = os.getpid()
        listener = _listeners.get(pid)
        if listener is None or not listener.is_alive():
            _listeners[pid] = _Listener()
            _listeners[pid].start()


def stop_listener() -> None:
    """Stop listening in this process and wait until the connection is closed."""
    with _starting:
        listener = _listeners.pop(os.getpid(), None)
    if listener is not None:
        listener.stop()


def listening(timeout_s: float) -> bool:
    """Whether this process hears of changes, given this long to connect."""
    listener = _listeners.get(os.getpid())
    return listener is not None and listener.connected.wait(timeout_s)


class _Listener(threading.Thread):
    """One connection of its own, which comes back by itself."""

    def __init__(self) -> None:
        super().__init__(name="notify", daemon=True)
        self.connected = threading.Event()
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()
        self.join(timeout=5)

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(**_parameters(), autocommit=True) as connection:
                    self._listen(connection)
            except psycopg.OperationalError as error:
                _log.warning("Not hearing of changes for now: %s", type(error).__name__)
            self.connected.clear()
            self._stopping.wait(RETRY_S)

    def _listen(self, connection: "psycopg.Connection[Any]") -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        self.connected.set()
        _tell_all()
        quiet = 0.0
        while not self._stopping.is_set():
            for notice in connection.notifies(timeout=RETRY_S, stop_after=100):
                quiet = 0.0
                _tell(*notice.payload.partition(" ")[::2])
            quiet += RETRY_S
            if quiet >= PROBE_S:
                connection.execute("SELECT 1")
                quiet = 0.0


def _parameters() -> dict[str, Any]:
    parameters = connections[context.APP].get_connection_params()
    return {name: value for name, value in parameters.items() if name not in ("cursor_factory", "context")}


def _tell(topic: str, key: str | None) -> None:
    for callback in _callbacks.get(topic, ()):
        callback(key)


def _tell_all() -> None:
    for topic in tuple(_callbacks):
        _tell(topic, None)
