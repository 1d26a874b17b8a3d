"""From a key to its caller: without a query for junk, from memory when known, refused at once when revoked."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from tenants import keys, notify
from tenants import recognition as recognising
from tenants.context import organization_context, platform_context
from tenants.errors import ExpiredKey, InvalidKey, OrganizationSuspended, TenantsUnavailable
from tenants.limits import Limits
from tenants.models import ApiKey, Organization
from tenants.permissions import AGENTS_WRITE, CHAT_WRITE
from tenants.recognition import Recognition
from tenants.roles import Role
from tenants.selectors import caller_for
from tenants.services import change_role, remove_member, suspend_organization
from tenants.threads import in_thread
from tests import make


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fresh(clock: Clock) -> Recognition:
    """A process that knows no key yet."""
    return Recognition(clock=clock)


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The public ids that were looked up in the database."""
    seen: list[str] = []
    original = recognising._row_of

    def counted(public_id: str) -> object:
        seen.append(public_id)
        return original(public_id)

    monkeypatch.setattr(recognising, "_row_of", counted)
    return seen


@contextmanager
def database_away() -> Iterator[None]:
    """New connections of this process lead nowhere."""
    connection = connections["default"]
    connection.close_pool()  # type: ignore[attr-defined]
    host, connection.settings_dict["HOST"] = connection.settings_dict["HOST"], "/nowhere"
    try:
        yield
    finally:
        connection.close_pool()  # type: ignore[attr-defined]
        connection.settings_dict["HOST"] = host


async def until(holds: Callable[[], Awaitable[bool]], *, within_s: float = 5) -> None:
    """Wait for what another thread or process brings about."""
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110 - nothing here is told when it happens
            await asyncio.sleep(0.01)


async def refused(process: Recognition, text: str, error: type[Exception]) -> bool:
    """Whether the key is refused by now."""
    try:
        await process.caller(text)
    except error:
        return True
    return False


async def test_a_key_names_its_organization(acme: Organization) -> None:
    text = await in_thread(make.key, acme, permissions={CHAT_WRITE}, limits=Limits(max_parallel=3))

    caller = await caller_for(text)

    assert (caller.organization_id, caller.organization_slug) == (acme.id, acme.slug)
    assert (caller.permissions, caller.limits.key.max_parallel, caller.test_mode) == (frozenset({CHAT_WRITE}), 3, False)


async def test_a_keys_agents_come_with_it(acme: Organization) -> None:
    text = await in_thread(make.key, acme, allowed_agents=[acme.id], test_mode=True)

    caller = await caller_for(text)

    assert (caller.allowed_agents, caller.test_mode) == (frozenset({acme.id}), True)


async def test_junk_costs_no_query(fresh: Recognition, database: None, queries: list[str]) -> None:
    for junk in ("", "sk-123", "rb_live_" + "a" * 51, keys.generate().reveal()[:-1] + "!"):
        with pytest.raises(InvalidKey):
            await fresh.caller(junk)

    assert queries == []


async def test_an_unknown_key_costs_one_query_for_a_while(
    fresh: Recognition, clock: Clock, database: None, queries: list[str]
) -> None:
    unknown = keys.generate().reveal()
    for _ in range(5):
        with pytest.raises(InvalidKey):
            await fresh.caller(unknown)
    asked = len(queries)
    clock.now += recognising.UNKNOWN_S
    with pytest.raises(InvalidKey):
        await fresh.caller(unknown)

    assert (asked, len(queries)) == (1, 2)


async def test_unknown_keys_are_remembered_within_bounds(
    fresh: Recognition, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognising, "MOST_UNKNOWN", 3)
    for _ in range(6):
        with pytest.raises(InvalidKey):
            await fresh.caller(keys.generate().reveal())

    assert len(fresh._unknown) == 3


async def test_a_known_key_is_looked_up_again_when_no_longer_fresh(
    acme: Organization, fresh: Recognition, clock: Clock, queries: list[str]
) -> None:
    text = await in_thread(make.key, acme)
    await fresh.caller(text)
    await fresh.caller(text)
    asked = len(queries)
    clock.now += recognising.FRESH_S + 0.1
    await fresh.caller(text)

    assert (asked, len(queries)) == (1, 2)


async def test_many_at_once_share_one_query(acme: Organization, fresh: Recognition, queries: list[str]) -> None:
    text = await in_thread(make.key, acme)
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(fresh.caller(text))

    assert len(queries) == 1


async def test_who_hangs_up_takes_nobody_along(acme: Organization, fresh: Recognition, queries: list[str]) -> None:
    text = await in_thread(make.key, acme)
    first = asyncio.create_task(fresh.caller(text))
    second = asyncio.create_task(fresh.caller(text))
    await asyncio.sleep(0)
    first.cancel()

    caller = await second

    assert (caller.organization_id, len(queries)) == (acme.id, 1)


async def test_a_secret_of_another_key_does_not_help(acme: Organization, fresh: Recognition) -> None:
    public_id = keys.recognise(await in_thread(make.key, acme)).public_id
    body = f"rb_live_{public_id}_{keys.generate().reveal()[21:53]}"

    with pytest.raises(InvalidKey):
        await fresh.caller(body + keys._checksum(body))


async def test_a_key_past_its_time_is_refused_even_from_memory(acme: Organization, fresh: Recognition) -> None:
    soon = timezone.now() + timedelta(seconds=0.4)
    text = await in_thread(make.key, acme, expires_at=soon)
    await fresh.caller(text)

    await until(lambda: refused(fresh, text, ExpiredKey))


async def test_a_suspended_organization_is_refused(acme: Organization, fresh: Recognition) -> None:
    text = await in_thread(make.key, acme)
    await in_thread(suspend_organization, acme, reason="a test")

    with pytest.raises(OrganizationSuspended):
        await fresh.caller(text)


def lower_the_maker(organization: Organization, role: Role | None) -> str:
    """The text of a key whose maker has since been given `role`, or no seat at all."""
    seat = make.member(organization, Role.DEVELOPER)
    text = make.key(organization, permissions={CHAT_WRITE, AGENTS_WRITE}, created_by=seat.user)
    with organization_context(organization.id):
        if role is None:
            remove_member(seat)
        else:
            change_role(seat, role=role)
    return text


async def test_a_key_shrinks_with_its_makers_seat(acme: Organization, fresh: Recognition) -> None:
    text = await in_thread(lower_the_maker, acme, Role.VIEWER)

    caller = await fresh.caller(text)

    assert caller.permissions == {CHAT_WRITE}


async def test_a_key_ends_with_its_makers_seat(acme: Organization, fresh: Recognition) -> None:
    text = await in_thread(lower_the_maker, acme, None)

    with pytest.raises(InvalidKey):
        await fresh.caller(text)


async def test_a_key_ends_with_its_makers_account(acme: Organization, fresh: Recognition) -> None:
    maker = await in_thread(make.user, is_staff=True)
    text = await in_thread(make.key, acme, created_by=maker)
    before = await fresh.caller(text)
    maker.is_active = False
    with platform_context(reason="a test"):
        await in_thread(maker.save)
    fresh.forget(None)

    assert before.organization_id == acme.id
    with pytest.raises(InvalidKey):
        await fresh.caller(text)


async def test_what_was_forgotten_is_looked_up_again(
    acme: Organization, globex: Organization, fresh: Recognition, queries: list[str]
) -> None:
    ours, theirs = await in_thread(make.key, acme), await in_thread(make.key, globex)
    for text in (ours, theirs):
        await fresh.caller(text)
    fresh.forget(keys.recognise(ours).public_id)
    await fresh.caller(ours)
    fresh.forget_organization(str(acme.id))
    await fresh.caller(ours)
    await fresh.caller(theirs)

    assert len(queries) == 4


async def test_an_answer_older_than_a_change_is_not_kept(
    acme: Organization, fresh: Recognition, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = await in_thread(make.key, acme)
    asked, go_on = threading.Event(), threading.Event()
    original = recognising._row_of

    def slow(public_id: str) -> object:
        row = original(public_id)
        asked.set()
        go_on.wait(5)
        return row

    monkeypatch.setattr(recognising, "_row_of", slow)
    task = asyncio.create_task(fresh.caller(text))
    await asyncio.to_thread(asked.wait, 5)
    fresh.forget(keys.recognise(text).public_id)
    go_on.set()
    await task

    assert fresh._known == {}


async def test_a_good_key_outlives_the_database_for_a_minute(
    acme: Organization, fresh: Recognition, clock: Clock
) -> None:
    text, other = await in_thread(make.key, acme), await in_thread(make.key, acme)
    await fresh.caller(text)

    with database_away():
        clock.now += 30
        within = await fresh.caller(text)
        with pytest.raises(TenantsUnavailable):
            await fresh.caller(other)
        clock.now += 31
        with pytest.raises(TenantsUnavailable):
            await fresh.caller(text)

    assert within.organization_id == acme.id


async def test_a_key_revoked_by_another_process_is_refused_at_once(
    acme: Organization, site_environment: dict[str, str]
) -> None:
    await in_thread(notify.start_listener)
    assert await asyncio.to_thread(notify.listening, 5)
    text = await in_thread(make.key, acme)
    await caller_for(text)
    program = (
        "import sys, django; django.setup()\n"
        "from tenants.context import platform_context\n"
        "from tenants.models import ApiKey\n"
        "from tenants.services import revoke_key\n"
        "with platform_context(reason='a test'):\n"
        "    revoke_key(ApiKey.objects.get(public_id=sys.argv[1]))\n"
    )
    arguments = [sys.executable, "-c", program, keys.recognise(text).public_id]
    await asyncio.to_thread(subprocess.run, arguments, env=site_environment, check=True)

    await until(lambda: refused(recognising.recognition, text, InvalidKey), within_s=2)


async def test_the_last_use_is_written_behind(acme: Organization, fresh: Recognition, clock: Clock) -> None:
    text = await in_thread(make.key, acme)
    await fresh.caller(text)
    clock.now += recognising.WRITE_USES_EVERY_S + 1
    await fresh.caller(text)

    def is_written() -> bool:
        with organization_context(acme.id):
            return ApiKey.objects.get().last_used_at is not None

    await until(lambda: in_thread(is_written))
