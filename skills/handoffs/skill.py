"""Agents to which the conversation may pass: each is offered to the model as a function of its own."""

import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from skills.sdk import RunContext, Skill
from skills.sdk.specs import HandoffSpec, Spec

KIND = "local_agent"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_]+")

Address = Annotated[
    str, Field(min_length=1, max_length=130, pattern=r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:/[a-z0-9][a-z0-9-]*)?$")
]
Reason = Annotated[str, Field(max_length=1_000)]


class Target(BaseModel):
    """An agent that may take the conversation over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent: Address = Field(description="Its address: slug, or organization/slug.")
    when: str = Field(
        min_length=1, max_length=500, description="What it is for, for the model to know when to pass on to it."
    )

    @property
    def function(self) -> str:
        """The name under which a model knows it."""
        return f"transfer_to_{_NOT_IN_NAMES.sub('_', self.agent.lower())}"[:64]


class HandoffsSkill(Skill):
    """Lets an agent pass the conversation on to others, who answer the same caller in the same stream."""

    name = "handoffs"

    class Options(Skill.Options):
        """To whom the conversation may pass."""

        targets: tuple[Target, ...] = Field(
            default=(), max_length=20, description="The agents that may take the conversation over."
        )

        @model_validator(mode="after")
        def _each_once(self) -> "HandoffsSkill.Options":
            names = [target.function for target in self.targets]
            if len(set(names)) < len(names):
                raise ValueError("name every agent once")
            return self

    options: Options

    def members(self) -> Iterator[tuple[Callable[..., Any], tuple[Spec, ...]]]:
        """A handoff for each target."""
        yield from super().members()
        for target in self.options.targets:
            spec = HandoffSpec(
                name=target.function,
                description=f"Pass the conversation on to {target.agent}, which answers from then on. {target.when}",
                receiver=target.agent,
                kind=KIND,
            )
            yield _passing_to(target), (spec,)


def _passing_to(target: Target) -> Callable[..., AsyncGenerator[Any]]:
    async def take_over(ctx: RunContext, reason: Reason = "") -> AsyncGenerator[Any]:
        """Pass the conversation on.

        Args:
            reason: What the next one should know, in a sentence or two.
        """
        events = cast(AsyncGenerator[Any], ctx.ports.agents.hand_off(target.agent, reason=reason))
        async with aclosing(events) as stream:
            async for event in stream:
                yield event

    return take_over
