"""The transport as kombu's users see it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue

from robutler_site import broker


def send(connection: Connection, queue: str, body: Any, **properties: Any) -> None:
    with connection.Producer(serializer="json") as producer:
        producer.publish(body, exchange="", routing_key=queue, **properties)


def receive(connection: Connection, queue: str) -> Any:
    return connection.default_channel.basic_get(queue)


def test_what_is_published_arrives_whole(connection: Connection, queue: str) -> None:
    send(connection, queue, {"text": "čau \x00 'quoted'", "n": [1, None]}, headers={"id": "abc"})

    message = receive(connection, queue)

    assert message.decode() == {"text": "čau \x00 'quoted'", "n": [1, None]}
    assert message.headers["id"] == "abc"


def test_an_acknowledged_message_is_gone(connection: Connection, queue: str) -> None:
    send(connection, queue, 1)
    receive(connection, queue).ack()

    assert connection.default_channel._size(queue) == 0
    assert receive(connection, queue) is None


def test_a_message_put_back_comes_again_and_says_so(connection: Connection, queue: str) -> None:
    send(connection, queue, 1)
    first = receive(connection, queue)
    first.requeue()

    second = receive(connection, queue)

    assert (first.delivery_info["redelivered"], second.delivery_info["redelivered"]) == (False, True)


def test_a_rejected_message_is_gone(connection: Connection, queue: str) -> None:
    send(connection, queue, 1)
    receive(connection, queue).reject()

    assert receive(connection, queue) is None


def test_the_urgent_overtake_the_rest(connection: Connection, queue: str) -> None:
    send(connection, queue, "ordinary", priority=1)
    send(connection, queue, "urgent", priority=9)

    assert [receive(connection, queue).decode() for _ in range(2)] == ["urgent", "ordinary"]


def test_a_task_for_later_stays_in_the_table(connection: Connection, queue: str) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    send(connection, queue, 1, headers={"eta": later})

    assert receive(connection, queue) is None


def test_a_consumer_gets_no_more_than_it_can_hold(connection: Connection, queue: str) -> None:
    for number in range(5):
        send(connection, queue, number)
    got: list[Any] = []
    with connection.Consumer(Queue(queue, Exchange("")), callbacks=[lambda body, _: got.append(body)]) as consumer:
        consumer.qos(prefetch_count=2)
        connection.drain_events(timeout=5)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.2)

    assert got == [0, 1]


def test_what_a_closing_consumer_holds_goes_back_at_once(broker_dsn: str, connection: Connection, queue: str) -> None:
    send(connection, queue, 1)
    with Connection(broker.url_of(broker_dsn)) as leaving:
        receive(leaving, queue)

    assert receive(connection, queue).decode() == 1


def test_a_broadcast_reaches_every_listener(broker_dsn: str, connection: Connection, queue: str) -> None:
    exchange = Exchange(f"{queue}.all", type="fanout")
    got: list[str] = []
    with Connection(broker.url_of(broker_dsn)) as other:
        consumers = [
            each.Consumer(
                Queue(f"{queue}.{name}", exchange, auto_delete=True),
                callbacks=[lambda body, _, name=name: got.append(f"{name} {body}")],
                no_ack=True,
            )
            for name, each in (("a", connection), ("b", other))
        ]
        for consumer in consumers:
            consumer.consume()
        with connection.Producer() as producer:
            producer.publish("hello", exchange=exchange, declare=[exchange])
        connection.drain_events(timeout=10)
        other.drain_events(timeout=10)

    assert sorted(got) == ["a hello", "b hello"]


def test_messages_nobody_acknowledges_are_taken_for_good(connection: Connection, queue: str) -> None:
    send(connection, queue, 1)
    with connection.Consumer(Queue(queue, Exchange("")), callbacks=[lambda body, _: None], no_ack=True):
        connection.drain_events(timeout=5)

    assert connection.default_channel.store.purge(queue) == 0


def test_the_password_does_not_show_in_the_address() -> None:
    broker.register()
    connection = Connection(broker.url_of("postgresql://someone:hidden@/robutler?host=/nowhere"))

    assert "hidden" not in connection.as_uri()
