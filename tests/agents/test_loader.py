"""Agents in a process: their skills are started once, and stopped when nobody holds the agent any more."""

import asyncio
import gc
import threading
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError

from agents import loader, selectors
from agents.errors import AgentMisconfigured, AgentsUnavailable, InvalidDraft
from agents.services import drafts, publishing
from agents.services.drafts import SkillChoice
from agents.services.runs import start_run
from billing import pricing
from skills import registry
from skills.clock import ClockSkill
from skills.sdk import Skill, StartedAgent
from tenants import notify
from tenants.context import organization_context
from tenants.models import Organization
from tenants.threads import in_thread
from tests import make
from tests.agents.cast import ask, caller_of, hosted, script, settled

LIFE: list[str] = []


class LivelySkill(Skill):
    """A skill that says when it is started and stopped."""

    name = "lively"
    dependencies = ("clock",)

    async def start(self, agent: StartedAgent) -> None:
        LIFE.append(f"started {agent.name}")

    async def stop(self) -> None:
        LIFE.append("stopped")


@pytest.fixture(autouse=True)
def lively(monkeypatch: pytest.MonkeyPatch) -> None:
    """The skill, as if a package had brought it."""
    known, found = registry.names(), registry.skill_class
    LIFE.clear()

    def skill_class(name: str) -> type[Skill]:
        return LivelySkill if name == "lively" else found(name)

    monkeypatch.setattr(registry, "names", lambda: [*known, "lively"])
    monkeypatch.setattr(registry, "skill_class", skill_class)


async def _stopped() -> None:
    async with asyncio.timeout(2):
        while "stopped" not in LIFE:
            gc.collect()
            await asyncio.sleep(0.01)


async def _news_has_passed() -> None:
    """Wait until what was told of agents so far is known here, or it would let them go in the middle of a test."""
    marker, heard = uuid4().hex, threading.Event()
    notify.subscribe("agent", lambda key: heard.set() if key == marker else None)
    notify.start_listener()
    assert await in_thread(notify.listening, 5)
    await in_thread(notify.publish, "agent", marker)
    assert await in_thread(heard.wait, 5)


async def test_skills_start_once_and_stop_when_the_agent_is_let_go(acme: Organization) -> None:
    agent = await hosted(acme, SkillChoice(skill="lively"), SkillChoice(skill="clock"))
    version = await selectors.published(caller_of(acme), agent.slug)
    await _news_has_passed()

    await loader.load(version)
    await loader.load(version)
    loader.unload_all()
    await _stopped()

    assert [f"started {agent.slug}", "stopped"] == LIFE


async def test_a_run_keeps_the_agent_it_began_with(acme: Organization) -> None:
    slow = script({"chunks": ["word "] * 20}, chunk_ms=10)
    agent = await hosted(acme, SkillChoice(skill="lively"), SkillChoice(skill="clock"), slow)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    await anext(stream)
    loader.unload_all()
    gc.collect()
    await asyncio.sleep(0.05)
    before = list(LIFE)
    rest = [event async for event in stream]
    await settled()
    del stream
    await _stopped()

    assert before == [f"started {agent.slug}"]
    assert len(rest) > 15


def test_a_skill_that_lacks_another_cannot_be_published(acme: Organization) -> None:
    made = make.agent(acme, skills=[SkillChoice(skill="lively"), SkillChoice(skill="clock", enabled=False)])

    with organization_context(acme.id), pytest.raises(InvalidDraft) as refused:
        publishing.publish(made)

    assert set(refused.value.fields) == {"skills.lively"}


def test_a_skill_that_serves_no_models_is_no_model(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "model_skill_for", lambda model, chosen=(): "clock")
    made = make.agent(acme)

    with organization_context(acme.id), pytest.raises(InvalidDraft, match="No skill serves"):
        publishing.publish(made)


async def test_a_version_whose_model_nobody_serves_any_more_says_so(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await hosted(acme)
    version = await selectors.published(caller_of(acme), agent.slug)
    monkeypatch.setattr(registry, "model_skill_for", lambda model, chosen=(): "clock")

    with pytest.raises(AgentMisconfigured, match="serves no models"):
        await loader.load(version)


async def test_without_a_database_agents_are_unavailable_and_not_absent(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await hosted(acme)
    version = await selectors.published(caller_of(acme), agent.slug)

    async def away(*args: Any) -> Any:
        raise OperationalError("away")

    monkeypatch.setattr(selectors, "answered", away)
    monkeypatch.setattr(loader, "in_thread", away)
    with pytest.raises(AgentsUnavailable):
        await selectors.published(caller_of(acme), "another")
    with pytest.raises(AgentsUnavailable):
        await loader.load(version)


async def test_without_a_database_nothing_is_priced_and_nothing_begins(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await hosted(acme)

    async def away(**asked: Any) -> Any:
        raise OperationalError("away")

    monkeypatch.setattr(pricing, "terms", away)
    with pytest.raises(AgentsUnavailable):
        await start_run(caller=caller_of(acme), address=agent.slug, request=ask())


async def test_credentials_that_change_let_agents_go(acme: Organization, globex: Organization) -> None:
    ours, theirs = await hosted(acme), await hosted(globex, visibility="public")
    kept = await selectors.published(caller_of(acme), ours.slug)
    other = await selectors.published(caller_of(acme), f"{globex.slug}/{theirs.slug}")
    first, second = await loader.load(kept), await loader.load(other)

    loader._credential_changed(str(acme.id))
    after, still = await loader.load(kept), await loader.load(other)
    loader._credential_changed("platform")

    assert after is not first
    assert still is second
    assert await loader.load(other) is not second


def test_choices_are_checked_one_by_one() -> None:
    assert drafts.check_options(SkillChoice(skill="clock", options={"zone": "Europe/Riga"})) == {}


async def test_tasks_call_their_services(acme: Organization) -> None:
    from agents import tasks

    assert await in_thread(tasks.purge_expired_items) >= 0
    assert await in_thread(tasks.close_abandoned_runs) >= 0


async def test_a_skill_that_does_not_start_stops_those_before_it_and_nobody_waits_for_it_for_ever(
    acme: Organization, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    async def hangs(self: ClockSkill, agent: StartedAgent) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(ClockSkill, "start", hangs)
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"agent_start_s": 0.05})
    agent = await hosted(acme, SkillChoice(skill="lively"), SkillChoice(skill="clock"))
    version = await selectors.published(caller_of(acme), agent.slug)

    with pytest.raises(AgentsUnavailable):
        await loader.load(version)

    assert [f"started {agent.slug}", "stopped"] == LIFE
