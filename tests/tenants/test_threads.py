"""Database work beside the event loop: in the caller's context, its connection given back, its queue bounded."""

import asyncio
import threading

import pytest
from django.conf import settings
from django.db import connections

from tenants import threads
from tenants.context import current_organization, organization_context
from tenants.errors import TenantsUnavailable
from tenants.ids import uuid7
from tenants.models import Organization
from tenants.threads import in_thread, submit


async def test_the_work_belongs_to_the_same_organization(acme: Organization) -> None:
    with organization_context(acme.id):
        seen = await in_thread(current_organization)

    assert seen == acme.id


async def test_what_the_work_raises_comes_back() -> None:
    def fails() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        await in_thread(fails)


async def test_the_connection_is_given_back(database: None) -> None:
    def used() -> object:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")
        return connections["default"]

    connection = await in_thread(used)

    assert connection.connection is None  # type: ignore[attr-defined]


async def test_too_much_waiting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "WAITING_PER_THREAD", 2)
    threads._pool.cache_clear()
    size, gate = settings.ROBUTLER.database_pool_size, threading.Event()
    try:
        busy = [asyncio.create_task(in_thread(gate.wait, 10)) for _ in range(3 * size)]
        await asyncio.sleep(0)

        admitted = asyncio.create_task(in_thread(int))
        await asyncio.sleep(0)
        with pytest.raises(TenantsUnavailable):
            await in_thread(int)
    finally:
        gate.set()

    assert await admitted == 0
    assert all([await task for task in busy])


async def test_work_nobody_waits_for_is_done() -> None:
    done = threading.Event()

    submit(done.set)

    assert done.wait(5)


def test_identifiers_sort_by_time_and_say_their_version() -> None:
    made = [uuid7() for _ in range(50)]

    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
    assert [one.int >> 80 for one in made] == sorted(one.int >> 80 for one in made)
    assert len(set(made)) == 50
