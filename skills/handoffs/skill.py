"""Agents to which the conversation may pass: each is offered to the model as a function of its own."""

import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Self, cast

from pydantic import Field, field_validator

from skills.sdk import RunContext, Skill
from skills.sdk.specs import HandoffSpec, Spec

KIND = "local_agent"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9_]+")

_ADDRESS = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:/[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)?"

Line = Annotated[str, Field(max_length=700, pattern=rf"^{_ADDRESS}\s*:\s*\S.*$")]
Reason = Annotated[str, Field(max_length=1_000)]


@dataclass(frozen=True, kw_only=True)
class Target:
    """An agent that may take the conversation over, and when it should."""

    agent: str
    when: str

    @classmethod
    def of(cls, line: str) -> Self:
        """The target that a line of the options names."""
        agent, _, when = line.partition(":")
        return cls(agent=agent.strip(), when=when.strip())

    @property
    def function(self) -> str:
        """The name under which a model knows it."""
        return f"transfer_to_{_NOT_IN_NAMES.sub('_', self.agent)}"[:64]


class HandoffsSkill(Skill):
    """Lets an agent pass the conversation on to others, who answer the same caller in the same stream."""

    name = "handoffs"

    class Options(Skill.Options):
        """To whom the conversation may pass."""

        targets: tuple[Line, ...] = Field(
            default=(),
            max_length=20,
            description="Who may take the conversation over, and when; one a line, as in "
            "'refunds: The caller wants money back.'",
        )

        @field_validator("targets")
        @classmethod
        def _each_once(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
            names = [Target.of(line).function for line in lines]
            if len(set(names)) < len(names):
                raise ValueError("name every agent once")
            return lines

    options: Options

    def members(self) -> Iterator[tuple[Callable[..., Any], tuple[Spec, ...]]]:
        """A handoff for each target."""
        yield from super().members()
        for target in map(Target.of, self.options.targets):
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
