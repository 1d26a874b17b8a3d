"""Passing a conversation on to a skill's own function: who hears what, and what keeps it from being passed."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from agents.runtime.events import Delta, Event, Finished, HandoffFinished, HandoffStarted
from skills.sdk import (
    AccessDenied,
    HandoffCall,
    HandoffResult,
    InvalidAgent,
    ModelUnreachable,
    PaymentRequired,
    RunContext,
    Skill,
    ToolFailed,
    handoff,
    hook,
    tool,
)
from tests.runtime.cast import Workshop, agent, call, context


class Desk(Skill):
    """Functions that take conversations over."""

    name = "desk"

    @handoff
    async def to_clerk(self, ctx: RunContext, reason: str = "") -> AsyncGenerator[Any]:
        """Let the clerk answer."""
        yield "The clerk "
        yield f"heard: {reason or ctx.agent_name}."

    @handoff(name="to_chief", description="Let the chief answer.")
    async def chief(self) -> HandoffResult:
        return HandoffResult(result="The chief speaks.", metadata={"floor": 3})

    @handoff
    async def to_nobody(self) -> HandoffResult:
        """Let nobody answer."""
        return HandoffResult(result="Nobody is in.", success=False)

    @handoff
    async def to_absent(self, ctx: RunContext) -> AsyncGenerator[Any]:
        """Let somebody answer who is not there."""
        if ctx.run_id:
            raise ToolFailed("They are on holiday.")
        yield ""

    @handoff
    async def to_lost(self) -> AsyncGenerator[Any]:
        """Let somebody answer who breaks off."""
        yield "I was about to "
        raise ModelUnreachable("The line went dead.")

    @handoff(scope="owner")
    async def to_vault(self) -> str:
        """Let the keeper answer."""
        return "The vault is open."


class Porter(Skill):
    """Looks at what is passed on."""

    name = "porter"

    def __init__(self, refuses: Exception | None = None) -> None:
        super().__init__()
        self.seen: list[HandoffCall | HandoffResult] = []
        self.refuses = refuses

    @hook("before_handoff")
    async def before(self, ctx: RunContext, passed: HandoffCall) -> None:
        self.seen.append(passed)
        if self.refuses is not None:
            raise self.refuses

    @hook("after_handoff")
    async def after(self, ctx: RunContext, result: HandoffResult) -> None:
        self.seen.append(result)


async def events_of(*steps: Any, skills: tuple[Skill, ...] = (), ctx: RunContext | None = None) -> list[Event]:
    ctx = ctx or context()
    ctx.messages.append({"role": "user", "content": "Hello"})
    async with aclosing(agent(Desk(), *skills, says=steps).run_streaming(ctx.messages, ctx=ctx)) as events:
        return [event async for event in events]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


async def test_who_takes_over_is_heard_as_it_speaks_and_ends_the_run() -> None:
    events = await events_of({"calls": [call("to_clerk", reason="a form")]}, "never said")

    assert [event.text for event in events if isinstance(event, Delta)] == ["The clerk ", "heard: a form."]
    assert isinstance(events[-1], Finished)
    assert events[-1].reasons == {0: "stop"}
    (started,) = [event for event in events if isinstance(event, HandoffStarted)]
    (finished,) = [event for event in events if isinstance(event, HandoffFinished)]
    assert (started.reason, finished.ok) == ("a form", True)


async def test_a_whole_result_is_the_answer() -> None:
    events = await events_of({"calls": [call("to_chief")]}, "never said")

    assert text_of(events) == "The chief speaks."


@pytest.mark.parametrize(
    ("name", "words"),
    [("to_nobody", "Nobody is in."), ("to_absent", "They are on holiday."), ("to_mars", "not available")],
)
async def test_what_cannot_be_passed_on_stays_and_the_model_is_told(name: str, words: str) -> None:
    ctx = context()

    events = await events_of({"calls": [call(name)]}, "I do it myself.", ctx=ctx)

    assert text_of(events) == "I do it myself."
    (told,) = [message["content"] for message in ctx.messages if message["role"] == "tool"]
    assert words in told


async def test_who_breaks_off_in_the_middle_breaks_the_run_off() -> None:
    with pytest.raises(ModelUnreachable, match="went dead"):
        await events_of({"calls": [call("to_lost")]}, "never said")


async def test_a_handoff_for_owners_is_no_strangers() -> None:
    strangers = await events_of({"calls": [call("to_vault")]}, "I may not.")
    owners = await events_of({"calls": [call("to_vault")]}, "I may not.", ctx=context(scope="owner"))

    assert (text_of(strangers), text_of(owners)) == ("I may not.", "The vault is open.")


async def test_hooks_see_what_is_passed_on_and_what_came_of_it() -> None:
    porter = Porter()

    await events_of({"calls": [call("to_clerk", reason="a form")]}, skills=(porter,))

    called, result = porter.seen
    assert called == HandoffCall(name="to_clerk", giver="agent", reason="a form")
    assert isinstance(result, HandoffResult)
    assert result.success


@pytest.mark.parametrize("refusal", [PaymentRequired("Pay first."), AccessDenied("Not you.")])
async def test_a_hooks_refusal_ends_the_run(refusal: Exception) -> None:
    with pytest.raises(type(refusal)):
        await events_of({"calls": [call("to_clerk")]}, "never said", skills=(Porter(refusal),))


async def test_a_handoff_beside_other_calls_is_not_carried_out() -> None:
    ctx, workshop = context(), Workshop()

    events = await events_of(
        {"calls": [call("echo", text="hi"), call("to_clerk")]}, "Only the echo.", skills=(workshop,), ctx=ctx
    )

    told = [message["content"] for message in ctx.messages if message["role"] == "tool"]
    assert text_of(events) == "Only the echo."
    assert workshop.marks == ["hi"]
    assert "called alone" in told[1]


async def test_a_tool_and_a_handoff_of_the_same_name_make_no_agent() -> None:
    class Double(Skill):
        """Says the same twice."""

        name = "double"

        @tool(name="to_clerk")
        async def tool_of_that_name(self) -> str:
            """Do it."""
            return ""

    with pytest.raises(InvalidAgent, match="to_clerk"):
        agent(Desk(), Double())
