"""The broker's tables as functions: put, take under a lease, give back, and reap what dead consumers held."""

import json
import os
import secrets
import select
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

CHANNEL = "robutler_broker"
LEASE_S = 60
DEAD_QUEUE = "dead"
MAX_DELIVERIES = 10

# The first half of the advisory lock's key; the second half names the consumer.
_LOCK_CLASS = 0x526F6275
_LOCK_TRIES = 20
_CONNECT_TIMEOUT_S = 5

_PUT = """
WITH put AS (
    INSERT INTO broker_message (queue, priority, payload, available_at)
    VALUES (%(queue)s, %(priority)s, %(payload)s, GREATEST(now(), COALESCE(%(available_at)s, now())))
    RETURNING queue
)
SELECT pg_notify(%(channel)s, queue) FROM put
"""
_READY = """
WITH ready AS (
    SELECT id FROM broker_message
    WHERE queue = ANY(%(queues)s) AND consumer IS NULL AND available_at <= now()
    ORDER BY priority DESC, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
"""
_LEASE = f"""{_READY}
UPDATE broker_message m
SET consumer = %(consumer)s, leased_until = now() + make_interval(secs => %(lease_s)s), deliveries = deliveries + 1
FROM ready WHERE m.id = ready.id RETURNING m.id, m.queue, m.priority, m.payload, m.deliveries
"""  # noqa: S608 - our own words
_CONSUME = f"""{_READY}
DELETE FROM broker_message m USING ready WHERE m.id = ready.id
RETURNING m.id, m.queue, m.priority, m.payload, m.deliveries
"""  # noqa: S608 - our own words
# A message that was handed out too often kills its workers: it is set aside, not lost.
_GIVE_BACK = """
WITH back AS (
    UPDATE broker_message
    SET consumer = NULL, leased_until = NULL,
        queue = CASE WHEN deliveries >= %(max_deliveries)s THEN %(dead)s ELSE queue END
    WHERE {which} RETURNING queue
)
SELECT count(pg_notify(%(channel)s, queue)) FROM (SELECT DISTINCT queue FROM back) AS queues
"""
_IS_ALIVE = """
EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = %(lock_class)s AND l.objid = {consumer}
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
_RELEASE = _GIVE_BACK.format(which="id = ANY(%(ids)s) AND consumer = %(consumer)s")
_REAP = _GIVE_BACK.format(
    which=f"""id IN (SELECT id FROM broker_message m WHERE consumer IS NOT NULL
    AND (leased_until < now() OR NOT {_IS_ALIVE.format(consumer="m.consumer")}) FOR UPDATE SKIP LOCKED)"""  # noqa: S608 - our own words
)
_FORGET_DEAD_BINDINGS = f"""
WITH gone AS (
    DELETE FROM broker_binding b WHERE consumer IS NOT NULL AND NOT {_IS_ALIVE.format(consumer="b.consumer")}
    RETURNING queue
)
DELETE FROM broker_message WHERE queue IN (SELECT queue FROM gone) AND consumer IS NULL
"""  # noqa: S608 - our own words
_BIND = """
INSERT INTO broker_binding (exchange, routing_key, pattern, queue, consumer)
VALUES (%(exchange)s, %(routing_key)s, %(pattern)s, %(queue)s, %(consumer)s)
ON CONFLICT (exchange, queue, routing_key) DO UPDATE SET consumer = EXCLUDED.consumer, pattern = EXCLUDED.pattern
"""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A message in hand: leased to us, or already deleted when nobody will acknowledge it."""

    id: int
    queue: str
    payload: dict[str, Any]
    deliveries: int


@dataclass(frozen=True, kw_only=True)
class Binding:
    """Where an exchange sends what carries `routing_key`."""

    routing_key: str
    pattern: str
    queue: str


class MessageStore:
    """One database session of the broker; as a consumer it holds an advisory lock, so its death is seen at once."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(
            dsn, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S, application_name="robutler broker"
        )
        self._consumer: int | None = None
        self._pid = os.getpid()
        # Acknowledgements may come from another thread; this pair ends a wait in the consuming one.
        self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        _open_stores.add(self)

    @property
    def is_closed(self) -> bool:
        return self._connection.closed or self._pid != os.getpid()

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        """End the session; what it still leased is given back by whoever reaps next."""
        if self in _open_stores:
            _open_stores.discard(self)
            self._connection.close()
            os.close(self._wake_out)
            os.close(self._wake_in)

    def become_consumer(self) -> int:
        """Return this session's consumer number, taking its lock and listening first when it has none yet."""
        if self._consumer is not None:
            return self._consumer
        for _ in range(_LOCK_TRIES):
            candidate = secrets.randbelow(2**31)
            row = self._run("SELECT pg_try_advisory_lock(%(class)s, %(key)s)", {"class": _LOCK_CLASS, "key": candidate})
            if row.fetchone() == (True,):
                self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                self._consumer = candidate
                return candidate
        raise psycopg.OperationalError("No free consumer number in the broker; this cannot happen by chance.")

    def put(
        self, queue: str, payload: Mapping[str, Any], *, priority: int = 0, available_at: datetime | None = None
    ) -> None:
        """Store a message durably and wake who consumes its queue."""
        values = {"queue": queue, "priority": priority, "payload": json.dumps(payload), "available_at": available_at}
        self._run(_PUT, values | {"channel": CHANNEL})

    def take(self, queues: Sequence[str], *, limit: int, acknowledged: bool) -> list[Taken]:
        """Take up to `limit` messages that no other session holds, the most urgent first."""
        values = {"queues": list(queues), "limit": limit, "consumer": self.become_consumer(), "lease_s": LEASE_S}
        rows = self._run(_LEASE if acknowledged else _CONSUME, values).fetchall()
        rows.sort(key=lambda row: (-row[2], row[0]))
        return [Taken(id=row[0], queue=row[1], payload=json.loads(row[3]), deliveries=row[4]) for row in rows]

    def acknowledge(self, message_id: int) -> None:
        """Forget a message whose work is done, even if the lease ran out meanwhile: doing it again helps nobody."""
        self._run("DELETE FROM broker_message WHERE id = %(id)s", {"id": message_id})

    def release(self, message_ids: Iterable[int]) -> None:
        """Give messages back, if they are still ours to give."""
        values = {"ids": list(message_ids), "consumer": self._consumer}
        self._run(_RELEASE, values | _GIVE_BACK_VALUES)

    def renew(self) -> None:
        """Move the end of all our leases ahead."""
        self._run(
            "UPDATE broker_message SET leased_until = now() + make_interval(secs => %(s)s) WHERE consumer = %(me)s",
            {"s": LEASE_S, "me": self._consumer},
        )

    def reap(self) -> int:
        """Put back what dead or silent consumers hold and forget where they listened; return the queues woken."""
        values = _GIVE_BACK_VALUES | {"lock_class": _LOCK_CLASS}
        woken = self._run(_REAP, values).fetchone()
        self._run(_FORGET_DEAD_BINDINGS, {"lock_class": _LOCK_CLASS})
        return int(woken[0]) if woken else 0

    def purge(self, queue: str) -> int:
        """Delete what waits in `queue`; what is in hand stays."""
        return self._run("DELETE FROM broker_message WHERE queue = %(q)s AND consumer IS NULL", {"q": queue}).rowcount

    def size(self, queue: str) -> int:
        """Count what waits in `queue`."""
        row = self._run(
            "SELECT count(*) FROM broker_message WHERE queue = %(q)s AND consumer IS NULL", {"q": queue}
        ).fetchone()
        return int(row[0]) if row else 0

    def bind(self, exchange: str, binding: Binding, *, temporary: bool) -> None:
        """Remember a binding; a temporary one is forgotten with this session."""
        values = {"exchange": exchange, "consumer": self.become_consumer() if temporary else None}
        self._run(_BIND, values | vars(binding))

    def unbind(self, queue: str) -> None:
        """Forget every binding of `queue`."""
        self._run("DELETE FROM broker_binding WHERE queue = %(queue)s", {"queue": queue})

    def bindings(self, exchange: str) -> list[Binding]:
        """Say where `exchange` sends its messages."""
        rows = self._run(
            "SELECT routing_key, pattern, queue FROM broker_binding WHERE exchange = %(exchange)s ORDER BY queue",
            {"exchange": exchange},
        )
        return [Binding(routing_key=row[0], pattern=row[1], queue=row[2]) for row in rows]

    def heard(self) -> set[str]:
        """Return the queues that were announced since the last look, without waiting."""
        return {notify.payload for notify in self._connection.notifies(timeout=0)}

    def wait(self, timeout_s: float) -> None:
        """Sleep until something is announced, `wake` is called, or the time is over."""
        ready, _, _ = select.select([self.fileno(), self._wake_out], [], [], timeout_s)
        if self._wake_out in ready:
            os.read(self._wake_out, 4096)

    def wake(self) -> None:
        """End a `wait` in another thread."""
        try:
            os.write(self._wake_in, b"x")
        except BlockingIOError:
            return  # The pipe is full of wake-ups already.

    def _run(self, query: str, values: Mapping[str, Any]) -> "psycopg.Cursor[tuple[Any, ...]]":
        return self._connection.execute(query.encode(), values)


_GIVE_BACK_VALUES = {"channel": CHANNEL, "dead": DEAD_QUEUE, "max_deliveries": MAX_DELIVERIES}
_open_stores: "weakref.WeakSet[MessageStore]" = weakref.WeakSet()


def _abandon_in_child() -> None:
    """Cut a forked child off its parent's sessions, which would outlive the parent (or end early) through it."""
    silence = os.open(os.devnull, os.O_RDWR)
    for store in list(_open_stores):
        if not store._connection.closed:
            os.dup2(silence, store.fileno())
    os.close(silence)


os.register_at_fork(after_in_child=_abandon_in_child)
