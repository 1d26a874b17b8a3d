"""Who is reached at an address, what is listed, and how soon a change is known."""

import asyncio
import subprocess
import sys
import time
from typing import Any
from uuid import UUID

import pytest

from agents import loader, selectors
from agents.errors import AgentMisconfigured, AgentNotFound
from agents.models import Agent
from agents.services import publishing
from agents.services.drafts import SkillChoice
from tenants import notify
from tenants.context import organization_context
from tenants.models import Organization
from tenants.threads import in_thread
from tests import make
from tests.agents.cast import caller_of, hosted


async def test_an_own_agent_has_a_short_and_a_long_address(acme: Organization) -> None:
    agent = await hosted(acme)

    short = await selectors.published(caller_of(acme), agent.slug)
    long = await selectors.published(caller_of(acme), f"{acme.slug}/{agent.slug}")

    assert short.agent_id == long.agent_id == agent.id
    assert short.address_for(acme.id) == agent.slug


async def test_a_public_agent_of_another_has_the_long_address_only(acme: Organization, globex: Organization) -> None:
    agent = await hosted(acme, visibility="public")

    found = await selectors.published(caller_of(globex), f"{acme.slug}/{agent.slug}")

    assert found.address_for(globex.id) == f"{acme.slug}/{agent.slug}"
    assert (await selectors.public_agent(acme.slug, agent.slug)).agent_id == agent.id
    with pytest.raises(AgentNotFound):
        await selectors.published(caller_of(globex), agent.slug)


async def test_a_private_agent_is_nobodys_business(acme: Organization) -> None:
    agent = await hosted(acme)

    with pytest.raises(AgentNotFound):
        await selectors.public_agent(acme.slug, agent.slug)


async def test_a_key_reaches_only_the_agents_it_allows(acme: Organization) -> None:
    one, other = await hosted(acme), await hosted(acme)
    caller = caller_of(acme, allowed_agents=frozenset({one.id}))

    assert (await selectors.published(caller, one.slug)).agent_id == one.id
    with pytest.raises(AgentNotFound):
        await selectors.published(caller, other.slug)
    assert [agent.agent_id for agent in await selectors.listed_for(caller)] == [one.id]


async def test_a_list_begins_with_the_callers_own(acme: Organization, globex: Organization) -> None:
    own, theirs, hidden = await hosted(acme), await hosted(globex, visibility="public"), await hosted(globex)

    listed = [agent.agent_id for agent in await selectors.listed_for(caller_of(acme))]
    public = [agent.agent_id for agent in await selectors.listed_publicly()]

    assert listed[0] == own.id
    assert theirs.id in listed
    assert theirs.id in public
    assert hidden.id not in listed + public
    assert own.id not in public


@pytest.mark.parametrize(
    "address", ["", "/", "a/", "/a", "a/b/c", "A", "ä", "a b", "a\x00", "a" * 64, "..", "%", "a\n"]
)
async def test_what_is_no_address_is_refused_without_a_query(
    acme: Organization, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "_look_up", None)

    with pytest.raises(AgentNotFound):
        await selectors.published(caller_of(acme), address)


async def test_many_who_ask_at_once_make_one_query(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await hosted(acme)
    asked: list[object] = []
    look_up = selectors._look_up

    async def counted(place: tuple[UUID | None, str, str]) -> selectors.Resolved:
        asked.append(place)
        return await look_up(place)

    monkeypatch.setattr(selectors, "_look_up", counted)
    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(selectors.published(caller_of(acme), agent.slug))

    assert len(asked) == 1


async def until(true: object, within_s: float = 1.0) -> None:
    async with asyncio.timeout(within_s):
        while not await true():  # type: ignore[operator]  # noqa: ASYNC110 - the change comes from elsewhere
            await asyncio.sleep(0.01)


async def test_publishing_unpublishing_and_hiding_are_known_within_a_second(
    acme: Organization, globex: Organization
) -> None:
    agent = await in_thread(make.agent, acme, visibility="public")
    address = f"{acme.slug}/{agent.slug}"

    async def reached() -> bool:
        try:
            await selectors.published(caller_of(globex), address)
        except AgentNotFound:
            return False
        return True

    async def gone() -> bool:
        return not await reached()

    def as_owner(change: object, *args: object, **kwargs: object) -> object:
        with organization_context(acme.id):
            return change(*args, **kwargs)  # type: ignore[operator]

    assert await gone()
    assert await in_thread(notify.listening, 5)
    await in_thread(as_owner, publishing.publish, agent)
    await until(reached)
    await in_thread(as_owner, publishing.save_draft, agent, visibility="private")
    await until(gone)
    await in_thread(as_owner, publishing.save_draft, agent, visibility="public")
    await until(reached)
    await in_thread(as_owner, publishing.disable, agent)
    await until(gone)


CHANGE = """
import django; django.setup()
from uuid import UUID
from agents.models import Agent
from agents.services import publishing
from tenants.context import organization_context
with organization_context(UUID("{organization}")):
    agent = publishing.save_draft(Agent.objects.get(id="{agent}"), instructions="Second.")
    publishing.publish(agent)
print("done", flush=True)
"""


async def test_what_another_process_publishes_is_loaded_within_a_second(
    acme: Organization, site_environment: dict[str, str]
) -> None:
    agent = await hosted(acme, instructions="First.")
    caller = caller_of(acme)
    before = await loader.load(await selectors.published(caller, agent.slug))
    assert await in_thread(notify.listening, 5)

    def elsewhere() -> float:
        code = CHANGE.format(organization=acme.id, agent=agent.id)
        subprocess.run([sys.executable, "-c", code], env=site_environment, check=True, capture_output=True, timeout=60)
        return time.monotonic()

    changed_at = await in_thread(elsewhere)

    async def new() -> bool:
        found = await loader.load(await selectors.published(caller, agent.slug))
        return found.instructions == "Second."

    await until(new)
    assert time.monotonic() - changed_at < 1
    assert before.instructions == "First."


async def test_an_agent_is_built_once_per_version(acme: Organization) -> None:
    agent = await hosted(acme, SkillChoice(skill="clock"))
    version = await selectors.published(caller_of(acme), agent.slug)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loader.load(version)) for _ in range(20)]

    assert len({id(task.result()) for task in tasks}) == 1
    assert tasks[0].result().limits.turns == 10


async def test_a_version_whose_skill_is_gone_says_so(acme: Organization) -> None:
    agent = await hosted(acme)
    version = await selectors.published(caller_of(acme), agent.slug)
    broken = await in_thread(_with_skills, acme, agent, [{"name": "gone", "options": {}}])
    outdated = await in_thread(_with_skills, acme, agent, [{"name": "clock", "options": {"nonsense": 1}}])

    for version_id, complaint in ((broken, "no longer installed"), (outdated, "no longer takes")):
        with pytest.raises(AgentMisconfigured, match=complaint):
            await loader.load(_other(version, version_id))


def _with_skills(organization: Organization, agent: Agent, skills: list[dict[str, Any]]) -> object:
    from agents.models import AgentVersion

    with organization_context(organization.id):
        number = AgentVersion.objects.filter(agent=agent).count() + 1
        return AgentVersion.objects.create(
            organization=organization, agent=agent, number=number, model="scripted/persona", skills=skills
        ).id


def _other(version: selectors.Resolved, version_id: object) -> selectors.Resolved:
    from dataclasses import replace

    return replace(version, version_id=version_id)  # type: ignore[arg-type]


async def test_what_strangers_are_told_does_not_depend_on_who_is_asking(acme: Organization) -> None:
    agent = await hosted(acme)

    with organization_context(acme.id):
        with pytest.raises(AgentNotFound):
            await selectors.public_agent(acme.slug, agent.slug)
        listed = await selectors.listed_publicly()

    assert agent.id not in {each.agent_id for each in listed}
    with pytest.raises(AgentNotFound):
        await selectors.public_agent(acme.slug, agent.slug)
