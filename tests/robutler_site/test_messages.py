"""The broker's tables: who gets which message, and what happens to those in the hands of the dead."""

import os
import threading
from collections.abc import Generator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from robutler_site.messages import DEAD_QUEUE, MAX_DELIVERIES, Binding, MessageStore
from tests.robutler_site.conftest import eventually


def take(store: MessageStore, queue: str, *, limit: int = 10) -> list[object]:
    return [taken.payload["n"] for taken in store.take([queue], limit=limit, acknowledged=True)]


@pytest.fixture
def admin(database_urls: dict[str, str]) -> Generator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(database_urls["app"], autocommit=True) as connection:
        yield connection


def test_messages_come_in_the_order_they_were_put(store: MessageStore, queue: str) -> None:
    for number in range(3):
        store.put(queue, {"n": number})

    assert take(store, queue) == [0, 1, 2]


def test_the_urgent_overtake_the_rest(store: MessageStore, queue: str) -> None:
    store.put(queue, {"n": "ordinary"})
    store.put(queue, {"n": "urgent"}, priority=9)

    assert take(store, queue, limit=1) == ["urgent"]


def test_a_batch_is_bounded(store: MessageStore, queue: str) -> None:
    for number in range(5):
        store.put(queue, {"n": number})

    assert take(store, queue, limit=2) == [0, 1]


def test_what_one_holds_no_other_gets(store: MessageStore, other_store: MessageStore, queue: str) -> None:
    store.put(queue, {"n": 1})
    take(store, queue)

    assert take(other_store, queue) == []


def test_sessions_that_grab_at_once_never_share_a_message(broker_dsn: str, store: MessageStore, queue: str) -> None:
    for number in range(300):
        store.put(queue, {"n": number})
    hands: list[list[object]] = [[] for _ in range(4)]

    def grab(hand: list[object]) -> None:
        session = MessageStore(broker_dsn)
        while batch := take(session, queue, limit=7):
            hand.extend(batch)
        session.close()

    threads = [threading.Thread(target=grab, args=(hand,)) for hand in hands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(str(number) for hand in hands for number in hand) == sorted(str(number) for number in range(300))


def test_a_delayed_message_waits_for_its_time(store: MessageStore, queue: str) -> None:
    store.put(queue, {"n": "later"}, available_at=datetime.now(UTC) + timedelta(hours=1))
    store.put(queue, {"n": "soon"}, available_at=datetime.now(UTC) + timedelta(seconds=0.3))

    early = take(store, queue)

    assert early == []
    assert eventually(lambda: take(store, queue) == ["soon"])


def test_what_the_dead_held_comes_back(broker_dsn: str, store: MessageStore, queue: str) -> None:
    dying = MessageStore(broker_dsn)
    store.put(queue, {"n": 1})
    take(dying, queue)
    dying.close()

    def came_back() -> bool:
        store.reap()
        return take(store, queue) == [1]

    assert eventually(came_back)


def test_what_the_living_hold_stays_with_them(store: MessageStore, other_store: MessageStore, queue: str) -> None:
    store.put(queue, {"n": 1})
    take(store, queue)

    other_store.reap()

    assert take(other_store, queue) == []


def test_a_silent_consumer_loses_its_lease(
    store: MessageStore, other_store: MessageStore, queue: str, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    store.put(queue, {"n": 1})
    take(store, queue)
    admin.execute("UPDATE broker_message SET leased_until = now() - interval '1 second' WHERE queue = %s", (queue,))

    other_store.reap()

    assert take(other_store, queue) == [1]


def test_a_renewed_lease_holds(
    store: MessageStore, other_store: MessageStore, queue: str, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    store.put(queue, {"n": 1})
    take(store, queue)
    admin.execute("UPDATE broker_message SET leased_until = now() - interval '1 second' WHERE queue = %s", (queue,))
    store.renew()

    other_store.reap()

    assert take(other_store, queue) == []


def test_what_is_done_is_gone_even_when_its_lease_was_lost(
    store: MessageStore, other_store: MessageStore, queue: str, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    store.put(queue, {"n": 1})
    taken = store.take([queue], limit=1, acknowledged=True)[0]
    admin.execute("UPDATE broker_message SET leased_until = now() - interval '1 second' WHERE queue = %s", (queue,))
    other_store.reap()

    store.acknowledge(taken.id)

    assert take(other_store, queue) == []


def test_only_the_holder_can_give_back(store: MessageStore, other_store: MessageStore, queue: str) -> None:
    store.put(queue, {"n": 1})
    taken = store.take([queue], limit=1, acknowledged=True)[0]
    other_store.become_consumer()

    other_store.release([taken.id])

    assert take(other_store, queue) == []


def test_a_message_that_fells_every_worker_is_set_aside(store: MessageStore, queue: str) -> None:
    store.put(queue, {"n": "poison"})
    before = store.size(DEAD_QUEUE)
    for _ in range(MAX_DELIVERIES):
        taken = store.take([queue], limit=1, acknowledged=True)[0]
        store.release([taken.id])

    assert take(store, queue) == []
    assert store.size(DEAD_QUEUE) == before + 1


def test_purging_leaves_what_is_in_hand(store: MessageStore, queue: str) -> None:
    for number in range(3):
        store.put(queue, {"n": number})
    held = store.take([queue], limit=1, acknowledged=True)[0]

    purged = store.purge(queue)

    assert purged == 2
    store.release([held.id])
    assert store.size(queue) == 1


def test_whoever_waits_is_woken(store: MessageStore, other_store: MessageStore, queue: str) -> None:
    store.become_consumer()
    other_store.put(queue, {"n": 1})

    store.wait(30)

    assert queue in store.heard()


def test_a_wait_can_be_ended_from_another_thread(store: MessageStore) -> None:
    waiting = threading.Thread(target=store.wait, args=(60,))
    waiting.start()

    store.wake()

    waiting.join(10)
    assert not waiting.is_alive()


def test_bindings_of_the_dead_are_forgotten(broker_dsn: str, store: MessageStore, queue: str) -> None:
    dying = MessageStore(broker_dsn)
    dying.bind(queue, Binding(routing_key="", pattern="", queue=f"{queue}.box"), temporary=True)
    store.bind(queue, Binding(routing_key="", pattern="", queue=f"{queue}.kept"), temporary=False)
    dying.close()

    def forgotten() -> bool:
        store.reap()
        return [row.queue for row in store.bindings(queue)] == [f"{queue}.kept"]

    assert eventually(forgotten)


def test_a_forked_child_leaves_its_parents_session_alone(store: MessageStore, queue: str) -> None:
    store.become_consumer()
    child = os.fork()
    if child == 0:
        store.close()
        os._exit(0)
    os.waitpid(child, 0)

    store.put(queue, {"n": 1})

    assert take(store, queue) == [1]
