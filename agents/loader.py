"""From a version to the agent that runs: built once per version and process, kept while it is used."""

import asyncio
import logging
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError
from pydantic import ValidationError

from agents.cache import Cache
from agents.errors import AgentMisconfigured, AgentsUnavailable
from agents.models import AgentVersion
from agents.runtime.agent import BaseAgent, RunLimits
from agents.runtime.answering import Candidate
from agents.sampling import Limits
from agents.selectors import Resolved
from agents.services import mcp_servers
from skills import registry
from skills.sdk import ModelSkill, Skill
from skills.sdk.errors import InvalidAgent
from skills.sdk.served import ServedSkill
from tenants import notify
from tenants.context import organization_context
from tenants.threads import in_thread

AGENT_SECONDS = 300.0
AGENTS_AT_MOST = 5_000

_log = logging.getLogger(__name__)
_agents: Cache[str, BaseAgent] = Cache(size=AGENTS_AT_MOST, ttl_s=AGENT_SECONDS)
_stopping: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, kw_only=True)
class Loadable:
    """A version of an agent, and where it belongs."""

    version_id: UUID
    agent_id: UUID
    organization_id: UUID
    slug: str


async def load(version: Resolved | Loadable) -> BaseAgent:
    """The agent of a published version, started. Its skills are stopped once nobody holds it any more."""
    return await _agents.get(str(version.version_id), lambda: _load(version))


def loaded() -> int:
    """How many agents are kept."""
    return len(_agents)


def unload_all() -> None:
    """Let go of every agent; those that run are kept by their runs."""
    _agents.drop()


async def _load(version: Resolved | Loadable) -> BaseAgent:
    # The agent is read as its own organization: what is inside it is not the caller's to see.
    with organization_context(version.organization_id):
        try:
            agent = await in_thread(_build, version)
        except OperationalError as error:
            raise AgentsUnavailable from error
    try:
        async with asyncio.timeout(settings.ROBUTLER.agent_start_s):
            await agent.start()
    except TimeoutError as error:
        raise AgentsUnavailable from error
    weakref.finalize(agent, _stop_soon, asyncio.get_running_loop(), agent.all_skills()).atexit = False
    return agent


def _build(version: Resolved | Loadable) -> BaseAgent:
    row = AgentVersion.objects.get(id=version.version_id)
    skills = {item["name"]: _skill(item["name"], item["options"]) for item in row.skills}
    for skill in skills.values():
        if isinstance(skill, ServedSkill):
            skill.served = mcp_servers.served(getattr(skill.options, skill.server_names))
    model_skill = _serving(row.model, skills)
    try:
        return BaseAgent.build(
            id=str(version.agent_id),
            version_id=str(row.id),
            name=version.slug,
            organization_id=str(version.organization_id),
            instructions=row.instructions,
            model=row.model,
            model_skill=model_skill,
            fallbacks=_fallbacks(row.model, model_skill, skills),
            skills=skills,
            sampling=row.sampling,
            locked=frozenset(row.locked),
            drop_unsupported=row.drop_unsupported,
            limits=_limits(row.limits),
            tool_prices=row.tool_prices,
            on_disconnect="finish" if row.on_disconnect == "finish" else "abort",
        )
    except InvalidAgent as error:
        raise AgentMisconfigured(str(error)) from error


def candidate(model: str, chosen: Mapping[str, Mapping[str, Any]]) -> Candidate:
    """A model on the skill that would serve it, with these skills switched on. Raises AgentMisconfigured."""
    return Candidate(model=model, skill=_serving(model, {name: _skill(name, chosen[name]) for name in chosen}))


def _serving(model: str, skills: Mapping[str, Skill]) -> ModelSkill:
    name = registry.model_skill_for(model, chosen=skills)
    skill = skills.get(name) or _skill(name, {})
    if not isinstance(skill, ModelSkill):
        raise AgentMisconfigured(f"The skill {name!r} serves no models.")
    return skill


def _fallbacks(own: str, model_skill: ModelSkill, skills: Mapping[str, Skill]) -> tuple[Candidate, ...]:
    """The models that stand in for the agent's own, each on the skill that would serve it by itself.

    A key that was chosen for one provider is none for another of the same skill.
    """
    candidates = []
    for model in getattr(model_skill.options, "fallbacks", ()):
        if model == own:
            continue
        skill = model_skill
        if model.partition("/")[0] != own.partition("/")[0]:
            skill = _serving(model, skills)
            if skill is model_skill:
                skill = type(skill)(skill.options.model_copy(update={"credential": None}))
        candidates.append(Candidate(model=model, skill=skill))
    return tuple(candidates)


def _skill(name: str, options: Mapping[str, Any]) -> Skill:
    if name not in registry.names():
        raise AgentMisconfigured(f"The skill {name!r} is no longer installed.")
    skill = registry.skill_class(name)
    try:
        return skill(skill.Options.model_validate(options))
    except ValidationError as error:
        raise AgentMisconfigured(f"The skill {name!r} no longer takes the options it was given.") from error


def _limits(chosen: Mapping[str, Any]) -> RunLimits:
    longest = float(settings.ROBUTLER.run_seconds)
    limits = {"seconds": longest, **Limits.model_validate(chosen).set_by_owner()}
    limits["seconds"] = min(limits["seconds"], longest)
    return RunLimits(**limits)


def _stop_soon(loop: asyncio.AbstractEventLoop, skills: tuple[Skill, ...]) -> None:
    # Called by whichever thread held the agent last.
    if not loop.is_closed():
        loop.call_soon_threadsafe(_stop_in_task, loop, skills)


def _stop_in_task(loop: asyncio.AbstractEventLoop, skills: tuple[Skill, ...]) -> None:
    task = loop.create_task(_stop(skills))
    _stopping.add(task)
    task.add_done_callback(_stopping.discard)


async def _stop(skills: tuple[Skill, ...]) -> None:
    for skill in reversed(skills):
        await skill.stop()


def _agent_changed(agent_id: str | None) -> None:
    _agents.drop(None if agent_id is None else lambda _, agent: agent.id == agent_id)


def _credential_changed(owner: str | None) -> None:
    if owner in (None, "platform"):
        _agents.drop()
    else:
        _agents.drop(lambda _, agent: agent.organization_id == owner)


notify.subscribe("agent", _agent_changed)
notify.subscribe("credential", _credential_changed)
