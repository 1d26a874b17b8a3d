"""The running object that an agent's version describes: frozen, and shared by all its runs."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Self

from agents.runtime import loop
from agents.runtime.answering import Candidate
from agents.runtime.assembly import Members, model_skill_among
from agents.runtime.events import Event
from agents.runtime.handoffs import BoundHandoff
from agents.runtime.hooks import BoundHook, BoundPrompt
from agents.runtime.http import BoundHandler
from agents.runtime.reply import Reply, collected
from agents.runtime.tools import BoundTool
from skills.sdk.context import RunContext
from skills.sdk.model import Message, ModelSkill
from skills.sdk.skill import Skill
from skills.sdk.specs import HookEvent

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class RunLimits:
    """What one run may use at most. `output_tokens` counts all its model calls together, and `cost_nanos` is what its
    caller pays for all of it; None is no limit.
    """

    turns: int = 10
    seconds: float = 300
    tool_seconds: float = 60
    parallel_tools: int = 8
    hops: int = 8
    output_tokens: int | None = None
    cost_nanos: int | None = None
    tool_result_bytes: int = 65_536
    repairs: int = 3


@dataclass(frozen=True, kw_only=True)
class BaseAgent:
    """An agent, ready to run. `name` is its slug, `model` is `provider/model`."""

    id: str
    version_id: str
    name: str
    organization_id: str
    instructions: str
    model: str
    model_skill: ModelSkill
    fallbacks: tuple[Candidate, ...]
    """Who answers in order when the model does not."""
    skills: Mapping[str, Skill]
    tools: Mapping[str, BoundTool]
    hooks: Mapping[HookEvent, tuple[BoundHook, ...]]
    prompts: tuple[BoundPrompt, ...]
    handoffs: Mapping[str, BoundHandoff]
    http_handlers: tuple[BoundHandler, ...]
    sampling: Mapping[str, Any]
    """Defaults of request parameters; a request overrides those that are not `locked`."""
    locked: frozenset[str]
    """With `instructions` among them, a request may not say anything as system or developer."""
    drop_unsupported: bool
    """Whether a run goes on without a parameter that its model does not take; its name is added to `ctx.ignored`."""
    limits: RunLimits
    on_disconnect: Literal["abort", "finish"]

    @classmethod
    def build(
        cls,
        *,
        id: str = "agent",
        version_id: str = "",
        name: str = "agent",
        organization_id: str = "",
        instructions: str = "",
        model: str = "scripted/persona",
        model_skill: ModelSkill | None = None,
        fallbacks: tuple[Candidate, ...] = (),
        skills: Mapping[str, Skill] = NOTHING,
        sampling: Mapping[str, Any] = NOTHING,
        locked: frozenset[str] = frozenset(),
        drop_unsupported: bool = False,
        limits: RunLimits | None = None,
        on_disconnect: Literal["abort", "finish"] = "abort",
        tool_prices: Mapping[str, int] = NOTHING,
    ) -> Self:
        """Collect what the skills bring. Without `model_skill`, one of `skills` must serve the model's provider.

        `tool_prices`: what a call of a tool costs in place of the tool's own price, in nanodollars.

        Raises InvalidAgent when names clash, a skill lacks another one it needs, or nothing serves the model.
        """
        members = Members.of(skills, tool_prices=tool_prices)
        return cls(
            id=id,
            version_id=version_id,
            name=name,
            organization_id=organization_id,
            instructions=instructions,
            model=model,
            model_skill=model_skill or model_skill_among(skills, model),
            fallbacks=fallbacks,
            skills=MappingProxyType(dict(skills)),
            tools=members.tools,
            hooks=members.hooks,
            prompts=members.prompts,
            handoffs=members.handoffs,
            http_handlers=members.http_handlers,
            sampling=MappingProxyType(dict(sampling)),
            locked=locked,
            drop_unsupported=drop_unsupported,
            limits=limits or RunLimits(),
            on_disconnect=on_disconnect,
        )

    async def start(self) -> None:
        """Start the skills: once per process, before the first run. When one cannot, those before it are stopped."""
        async with AsyncExitStack() as started:
            for skill in self.all_skills():
                await skill.start(self)
                started.push_async_callback(skill.stop)
            started.pop_all()

    async def stop(self) -> None:
        """Stop the skills, in the opposite order."""
        for skill in reversed(self.all_skills()):
            await skill.stop()

    def parameters(self, requested: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of a run: the agent's own as defaults, which hold where the owner locked them."""
        asked = {name: value for name, value in requested.items() if value is not None and name not in self.locked}
        return {**self.sampling, **asked}

    def run_streaming(
        self,
        messages: Sequence[Message],
        *,
        ctx: RunContext,
        client_tools: Sequence[Mapping[str, Any]] = (),
        parameters: Mapping[str, Any] = NOTHING,
        max_output_tokens: int | None = None,
    ) -> AsyncGenerator[Event]:
        """Run the agent on these messages and yield what happens; close the generator when you stop reading."""
        ctx.messages[:] = messages
        return loop.run(
            self, ctx, client_tools=client_tools, parameters=parameters, max_output_tokens=max_output_tokens
        )

    async def run(
        self,
        messages: Sequence[Message],
        *,
        ctx: RunContext,
        client_tools: Sequence[Mapping[str, Any]] = (),
        parameters: Mapping[str, Any] = NOTHING,
        max_output_tokens: int | None = None,
    ) -> Reply:
        """Run the agent on these messages and collect its reply."""
        events = self.run_streaming(
            messages, ctx=ctx, client_tools=client_tools, parameters=parameters, max_output_tokens=max_output_tokens
        )
        async with aclosing(events):
            return await collected(events)

    def all_skills(self) -> tuple[Skill, ...]:
        """Every skill once, those that models are served by first."""
        serving = (self.model_skill, *(candidate.skill for candidate in self.fallbacks))
        return tuple({id(skill): skill for skill in (*serving, *self.skills.values())}.values())
