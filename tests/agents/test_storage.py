"""What skills keep: for one agent and one caller, for as long as they said."""

import asyncio
from datetime import timedelta

import pytest

from agents.adapters.storage import RowStorage
from agents.models import Agent, StoredItem
from agents.services import housekeeping
from agents.services.housekeeping import purge_expired_items
from skills.sdk import ToolFailed
from tenants.context import platform_context
from tenants.models import Organization
from tenants.threads import in_thread
from tests.agents.cast import hosted

HOUR = timedelta(hours=1)
PAST = timedelta(seconds=-1)


def storage_of(caller: Organization, agent: Agent) -> RowStorage:
    return RowStorage(caller_id=caller.id, agent_id=agent.id, agent_organization_id=agent.organization_id)


async def test_what_is_put_is_found_until_it_is_deleted(acme: Organization) -> None:
    storage = storage_of(acme, await hosted(acme))

    await storage.put("notes", "one", {"a": [1, None]})
    await storage.put("notes", "two", "first")
    await storage.put("notes", "two", "second", lifetime=HOUR)

    assert await storage.get_many("notes", ["one", "two", "three"]) == {"one": {"a": [1, None]}, "two": "second"}
    assert await storage.get_many("other", ["one"]) == {}
    assert await storage.delete("notes", "one")
    assert not await storage.delete("notes", "one")


async def test_neither_another_caller_nor_another_agent_finds_it(acme: Organization, globex: Organization) -> None:
    agent, other = await hosted(acme, visibility="public"), await hosted(acme)
    await storage_of(acme, agent).put("notes", "key", "ours")
    await storage_of(globex, agent).put("notes", "key", "theirs")

    assert await storage_of(acme, agent).get_many("notes", ["key"]) == {"key": "ours"}
    assert await storage_of(globex, agent).get_many("notes", ["key"]) == {"key": "theirs"}
    assert await storage_of(acme, other).get_many("notes", ["key"]) == {}
    assert not await storage_of(acme, other).delete("notes", "key")


async def test_keys_are_listed_in_order_within_one_namespace_agent_and_caller(
    acme: Organization, globex: Organization
) -> None:
    agent, other = await hosted(acme, visibility="public"), await hosted(acme)
    storage = storage_of(acme, agent)
    for key in ("b%c", "bxc", "a", "b%d"):
        await storage.put("notes", key, None)
    await storage.put("notes", "a_gone", 1, lifetime=PAST)
    for elsewhere in (storage_of(globex, agent), storage_of(acme, other)):
        await elsewhere.put("notes", "theirs", 1)
    await storage.put("other", "elsewhere", 1)

    assert await storage.keys("notes") == ["a", "b%c", "b%d", "bxc"]
    assert await storage.keys("notes", prefix="b%") == ["b%c", "b%d"]
    assert await storage.keys("notes", limit=2) == ["a", "b%c"]


async def test_what_has_had_its_time_is_not_found_and_then_purged(acme: Organization) -> None:
    storage = storage_of(acme, await hosted(acme))
    await storage.put("notes", "old", 1, lifetime=PAST)
    await storage.put("notes", "new", 2, lifetime=HOUR)
    await storage.put("notes", "forever", 3)

    found = await storage.get_many("notes", ["old", "new", "forever"])
    purged = await in_thread(purge_expired_items)

    assert found == {"new": 2, "forever": 3}
    assert purged >= 1
    assert await in_thread(_keys, acme) == ["forever", "new"]


def _keys(organization: Organization) -> list[str]:
    with platform_context(reason="look at a test's items"):
        return sorted(StoredItem.objects.filter(organization=organization).values_list("key", flat=True))


async def test_of_many_who_mark_at_once_one_is_the_first(acme: Organization) -> None:
    storage = storage_of(acme, await hosted(acme))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(storage.mark_once("seen", "jti", lifetime=HOUR)) for _ in range(20)]

    assert sorted(task.result() for task in tasks) == [False] * 19 + [True]


async def test_a_mark_that_expired_can_be_made_again(acme: Organization) -> None:
    storage = storage_of(acme, await hosted(acme))

    first = await storage.mark_once("seen", "jti", lifetime=PAST)
    second = await storage.mark_once("seen", "jti", lifetime=HOUR)
    third = await storage.mark_once("seen", "jti", lifetime=HOUR)

    assert (first, second, third) == (True, True, False)


@pytest.mark.parametrize(
    ("namespace", "key", "value"),
    [("", "key", 1), ("n" * 65, "key", 1), ("notes", "", 1), ("notes", "k" * 257, 1), ("notes", "key", "x" * 262_144)],
)
async def test_what_is_too_large_is_refused(acme: Organization, namespace: str, key: str, value: object) -> None:
    storage = storage_of(acme, await hosted(acme))

    with pytest.raises(ToolFailed):
        await storage.put(namespace, key, value)


async def test_more_than_go_at_once_are_purged_all_the_same(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "AT_ONCE", 3)
    agent = await hosted(acme)
    storage = RowStorage(caller_id=acme.id, agent_id=agent.id, agent_organization_id=acme.id)
    for number in range(10):
        await storage.put("old", str(number), number, lifetime=timedelta(seconds=-1))

    assert await in_thread(purge_expired_items) >= 10
    assert await in_thread(purge_expired_items) == 0
