"""A kombu transport over PostgreSQL: tasks are rows under lease, so a killed worker loses none of them."""

import time
from collections.abc import Callable
from datetime import datetime
from queue import Empty
from typing import Any

import psycopg
from kombu.transport import TRANSPORT_ALIASES, virtual

from robutler_site.messages import Binding, MessageStore, Taken

SCHEME = "robutlerpg"

_POLL_S = 1.0
_RENEW_S = 15.0
_REAP_S = 2.0
_BATCH = 32
_MAX_BATCHES = 8


def register() -> None:
    """Teach kombu the URL scheme `robutlerpg+postgresql://…`."""
    TRANSPORT_ALIASES[SCHEME] = "robutler_site.broker:Transport"


def url_of(dsn: str) -> str:
    """Return the broker URL for a PostgreSQL URL."""
    return f"{SCHEME}+{dsn}"


class Leases(virtual.QoS):
    """What a channel has in hand: acknowledging deletes the row, anything else gives it back."""

    restore_at_shutdown = True

    def ack(self, delivery_tag: str) -> None:
        self.channel.store.acknowledge(int(delivery_tag))
        super().ack(delivery_tag)
        self.channel.connection.capacity_changed()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        if requeue:
            self.channel.store.release([int(delivery_tag)])
        else:
            self.channel.store.acknowledge(int(delivery_tag))
        super().ack(delivery_tag)
        self.channel.connection.capacity_changed()

    def restore_unacked(self) -> list[Any]:
        self._flush()
        if not self.channel.store.is_closed:
            self.channel.store.release(int(tag) for tag in self._delivered)
        self._delivered.clear()
        return []


class Channel(virtual.Channel):
    """A channel whose queues are rows; bindings are rows too, so that processes find each other's queues."""

    QoS = Leases
    supports_fanout = True

    def __init__(self, connection: "Transport", **kwargs: Any) -> None:
        self._temporary: set[str] = set()
        self._unacknowledged: set[str] = set()
        super().__init__(connection, **kwargs)

    @property
    def store(self) -> MessageStore:
        transport: Transport = self.connection
        return transport.store

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,  # noqa: FBT001 - kombu's signature
        callback: Callable[[Any], Any],
        consumer_tag: str,
        **kwargs: Any,
    ) -> None:
        if no_ack:
            self._unacknowledged.add(queue)
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        self.connection.capacity_changed()

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        taken = self.store.take([queue], limit=1, acknowledged=not no_ack)
        if not taken:
            return None
        message = self.Message(_delivery(taken[0]), channel=self)
        if not no_ack:
            self.qos.append(message, message.delivery_tag)
        return message

    def deliver_ready(self) -> tuple[int, bool]:
        """Hand what waits to the consumers; return how many messages, and whether there may be more."""
        delivered = 0
        for _ in range(_MAX_BATCHES):
            if self.closed or not self._active_queues or not self.qos.can_consume():
                return delivered, False
            estimate = self.qos.can_consume_max_estimate()
            limit = _BATCH if estimate is None else min(estimate, _BATCH)
            batch = self._take(limit)
            for taken in batch:
                self.connection._deliver(_delivery(taken), taken.queue)
            delivered += len(batch)
            if len(batch) < limit:
                return delivered, False
        return delivered, True

    def _take(self, limit: int) -> list[Taken]:
        leased = [queue for queue in self._active_queues if queue not in self._unacknowledged]
        consumed = [queue for queue in self._active_queues if queue in self._unacknowledged]
        batch = self.store.take(leased, limit=limit, acknowledged=True) if leased else []
        if consumed and len(batch) < limit:
            batch += self.store.take(consumed, limit=limit - len(batch), acknowledged=False)
        return batch

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        taken = self.store.take([queue], limit=1, acknowledged=queue not in self._unacknowledged)
        if not taken:
            raise Empty
        return _delivery(taken[0])

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        eta = (message.get("headers") or {}).get("eta")
        self.store.put(
            queue,
            message,
            priority=self._get_message_priority(message),
            available_at=datetime.fromisoformat(eta) if eta else None,
        )

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: str, **kwargs: Any) -> None:
        for binding in self.store.bindings(exchange):
            self._put(binding.queue, message, **kwargs)

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        if kwargs.get("auto_delete") or kwargs.get("exclusive"):
            self._temporary.add(queue)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: Any, queue: str) -> None:
        expression = getattr(pattern, "pattern", pattern)
        binding = Binding(routing_key=routing_key or "", pattern=expression or "", queue=queue)
        self.store.bind(exchange, binding, temporary=queue in self._temporary)

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        return [(row.routing_key, row.pattern, row.queue) for row in self.store.bindings(exchange)]

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        self.store.unbind(queue)
        self.store.purge(queue)

    def _purge(self, queue: str) -> int:
        return self.store.purge(queue)

    def _size(self, queue: str) -> int:
        return self.store.size(queue)


class Transport(virtual.Transport):
    """One session of the broker; it works inside Celery's event loop and, for callers who wait, without one."""

    Channel = Channel
    can_parse_url = True
    default_port = 5432
    # With this type Celery leaves out the stream of worker events, which nobody here reads.
    driver_type = "sql"
    driver_name = "psycopg"
    connection_errors = (*virtual.Transport.connection_errors, psycopg.OperationalError, psycopg.InterfaceError)
    channel_errors = (*virtual.Transport.channel_errors, psycopg.Error)
    implements = virtual.Transport.implements.extend(
        asynchronous=True, exchange_type=frozenset(["direct", "topic", "fanout"])
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self._store: MessageStore | None = None
        self._may_deliver = True
        self._next_poll = self._next_renewal = self._next_reaping = 0.0

    @property
    def store(self) -> MessageStore:
        """The open session."""
        if self._store is None:
            raise psycopg.OperationalError("The broker's session is closed.")
        return self._store

    def driver_version(self) -> str:
        return psycopg.__version__

    def establish_connection(self) -> "Transport":
        self._store = MessageStore(self.client.hostname)
        super().establish_connection()
        return self

    def close_connection(self, connection: Any) -> None:
        try:
            super().close_connection(connection)
        finally:
            if self._store is not None:
                self._store.close()
                self._store = None

    def verify_connection(self, connection: Any) -> bool:
        return self._store is not None and not self._store.is_closed

    def capacity_changed(self) -> None:
        """Look for messages again soon: somebody is free to work on them."""
        self._may_deliver = True
        if self._store is not None and not self._store.is_closed:
            self._store.wake()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        self.store.become_consumer()
        loop.add_reader(self.store.fileno(), self._on_readable)

        def on_tick() -> None:
            if self._store is None:
                loop.on_tick.discard(on_tick)
            else:
                self._step()

        loop.on_tick.add(on_tick)
        # The loop sleeps for as long as no timer is due; this one makes it look around.
        loop.call_repeatedly(_POLL_S, lambda: None)

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver at least one message, or raise TimeoutError, which is what sockets raise."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._step():
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise TimeoutError
            pause = _POLL_S if deadline is None else min(_POLL_S, deadline - now)
            self.store.wait(pause)
            self._on_readable()

    def _step(self) -> int:
        self._keep_house()
        if not self._may_deliver:
            return 0
        self._may_deliver = False
        delivered = 0
        for channel in list(self.channels):
            count, more = channel.deliver_ready()
            delivered += count
            self._may_deliver = self._may_deliver or more
        return delivered

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now >= self._next_poll:
            self._next_poll = now + _POLL_S
            self._may_deliver = True
        if now >= self._next_renewal:
            self._next_renewal = now + _RENEW_S
            self.store.renew()
        if now >= self._next_reaping:
            self._next_reaping = now + _REAP_S
            self.store.reap()

    def _on_readable(self) -> None:
        heard = self.store.heard()
        if any(queue in self._callbacks for queue in heard):
            self._may_deliver = True


def _delivery(taken: Taken) -> dict[str, Any]:
    """Return the message as kombu knows it; its row's number is its delivery tag."""
    properties = taken.payload["properties"]
    properties["delivery_tag"] = str(taken.id)
    properties["delivery_info"]["redelivered"] = taken.deliveries > 1
    return taken.payload
