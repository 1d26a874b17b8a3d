"""Hooks: when they run, what they may change, and that nothing they refuse goes on."""

import asyncio
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from agents.runtime.events import Delta, ToolFinished
from skills.sdk import (
    AccessDenied,
    Chunk,
    ModelReply,
    ModelRequest,
    ModelUnreachable,
    PaymentRequired,
    RunContext,
    RunOutcome,
    Skill,
    ToolCall,
    ToolFailed,
    ToolOutcome,
    hook,
)
from tests.runtime.cast import Recorder, Workshop, agent, ask, call, context, results


class Diary(Skill):
    """Writes down every moment of a run."""

    name = "diary"

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[str] = []
        self.outcomes: list[RunOutcome] = []

    @hook("on_connection")
    async def connected(self, ctx: RunContext) -> RunContext:
        self.pages.append("on_connection")
        return ctx

    @hook("on_message")
    async def spoken(self, ctx: RunContext) -> None:
        self.pages.append("on_message")

    @hook("before_llm_call")
    async def asking(self, ctx: RunContext, request: ModelRequest) -> None:
        self.pages.append("before_llm_call")

    @hook("on_chunk")
    async def hearing(self, ctx: RunContext, chunk: Chunk) -> None:
        if self.pages[-1] != "on_chunk":
            self.pages.append("on_chunk")

    @hook("after_llm_call")
    async def heard(self, ctx: RunContext, reply: ModelReply) -> None:
        self.pages.append(f"after_llm_call {reply.finish_reason}")

    @hook("before_toolcall")
    async def calling(self, ctx: RunContext, made: ToolCall) -> None:
        self.pages.append(f"before_toolcall {made.name}")

    @hook("after_toolcall")
    async def called(self, ctx: RunContext, outcome: ToolOutcome) -> None:
        self.pages.append(f"after_toolcall {outcome.ok}")

    @hook("finalize_connection")
    async def over(self, ctx: RunContext, outcome: RunOutcome) -> None:
        self.pages.append("finalize_connection")
        self.outcomes.append(outcome)


def refusing(event: str, error: Exception) -> Skill:
    """A skill whose hook raises."""

    class Refusing(Skill):
        name = "refusing"

        @hook(event)  # type: ignore[arg-type]
        async def refuse(self, ctx: RunContext) -> None:
            raise error

    return Refusing()


async def test_hooks_run_at_every_moment_of_a_run() -> None:
    diary = Diary()

    await ask(agent(diary, Workshop(), says=[{"calls": [call("echo", text="-")]}, "ok"]))

    turn = ["before_llm_call", "on_chunk"]
    assert diary.pages == [
        "on_connection",
        "on_message",
        *turn,
        "after_llm_call tool_calls",
        "before_toolcall echo",
        "after_toolcall True",
        *turn,
        "after_llm_call stop",
        "finalize_connection",
    ]


async def test_lower_priorities_run_earlier_and_scopes_hold() -> None:
    ran: list[str] = []

    class Ordered(Skill):
        name = "ordered"

        @hook("on_connection", priority=60)
        async def late(self, ctx: RunContext) -> None:
            ran.append("late")

        @hook("on_connection", priority=-1)
        async def early(self, ctx: RunContext) -> None:
            ran.append("early")

        @hook("on_connection", scope="owner")
        async def for_owners(self, ctx: RunContext) -> None:
            ran.append("owner")

    await ask(agent(Ordered()))
    await ask(agent(Ordered()), ctx=context(scope="owner"))

    assert ran == ["early", "late", "early", "owner", "late"]


async def test_what_a_hook_returns_takes_the_place_of_what_it_saw() -> None:
    class Editing(Skill):
        name = "editing"

        @hook("on_message")
        async def forget(self, ctx: RunContext) -> None:
            ctx.messages[:] = [{"role": "user", "content": "something else"}]

        @hook("before_llm_call")
        async def cooler(self, ctx: RunContext, request: ModelRequest) -> ModelRequest:
            return msgspec.structs.replace(request, parameters={"temperature": 0}, max_output_tokens=10_000)

        @hook("on_chunk")
        async def louder(self, ctx: RunContext, chunk: Chunk) -> Chunk:
            return msgspec.structs.replace(chunk, text=chunk.text.upper())

    model = Recorder()

    reply = await ask(agent(Editing(), model=model), max_output_tokens=50)

    assert model.requests[0].messages[0]["content"] == "something else"
    assert model.requests[0].parameters == {"temperature": 0}
    assert model.requests[0].max_output_tokens == 50
    assert reply.text == "OK"


async def test_hooks_may_change_a_calls_arguments_and_its_outcome_but_not_its_tool() -> None:
    class Meddling(Skill):
        name = "meddling"

        @hook("before_toolcall")
        async def change(self, ctx: RunContext, made: ToolCall) -> ToolCall:
            return ToolCall(id="another", name="dismantle", arguments='{"text": "changed"}')

        @hook("after_toolcall")
        async def wrap(self, ctx: RunContext, outcome: ToolOutcome) -> ToolOutcome:
            return msgspec.structs.replace(outcome, content=f"<{outcome.content}>")

    ctx = context()

    reply = await ask(agent(Meddling(), Workshop(), says=[{"calls": [call("echo", text="-")]}, "ok"]), ctx=ctx)

    assert results(ctx) == ["<changed>"]
    told = next(event for event in reply.events if isinstance(event, ToolFinished))
    assert (told.name, told.call_id) == ("echo", ctx.messages[1]["tool_calls"][0]["id"])


async def test_a_hook_may_veto_one_call() -> None:
    ctx = context()
    workshop = Workshop()
    veto = refusing("before_toolcall", ToolFailed("Not today."))

    await ask(agent(veto, workshop, says=[{"calls": [call("echo", text="-")]}, "ok"]), ctx=ctx)

    assert (results(ctx), workshop.marks) == (["Not today."], [])


@pytest.mark.parametrize(
    "event",
    [
        "on_connection",
        "on_message",
        "before_llm_call",
        "on_chunk",
        "after_llm_call",
        "before_toolcall",
        "after_toolcall",
    ],
)
@pytest.mark.parametrize("error", [AccessDenied("No."), PaymentRequired("Pay."), RuntimeError("auth is down")])
async def test_an_error_of_a_hook_ends_the_run_wherever_it_stands(event: str, error: Exception) -> None:
    diary = Diary()

    with pytest.raises(type(error), match=str(error)):
        await ask(agent(diary, refusing(event, error), Workshop(), says=[{"calls": [call("echo", text="-")]}, "ok"]))

    assert [outcome.error for outcome in diary.outcomes] == [error]


async def test_a_refused_connection_never_reaches_the_model() -> None:
    model = Recorder()

    with pytest.raises(AccessDenied):
        await ask(agent(refusing("on_connection", AccessDenied("No.")), model=model))

    assert model.requests == []


async def test_a_hook_must_return_what_it_was_given() -> None:
    class Confused(Skill):
        name = "confused"

        @hook("on_chunk")
        async def reply(self, ctx: RunContext, chunk: Chunk) -> str:
            return "text"

    with pytest.raises(TypeError, match=r"on_chunk hook .* returned str, not Chunk"):
        await ask(agent(Confused()))


async def test_an_error_while_finalizing_is_the_runs_and_the_other_hooks_still_run() -> None:
    diary = Diary()

    with pytest.raises(PaymentRequired):
        await ask(agent(refusing("finalize_connection", PaymentRequired("Late.")), diary))

    assert diary.pages.count("finalize_connection") == 1


async def test_an_error_while_finalizing_a_failed_run_does_not_hide_why_it_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ModelUnreachable):
        await ask(agent(refusing("finalize_connection", PaymentRequired("Late.")), says=[{"error": "unreachable"}]))

    assert "A finalize hook failed" in caplog.text


@pytest.mark.parametrize("chunks", range(1, 4))
async def test_leaving_finalizes_once(chunks: int) -> None:
    diary = Diary()
    events = agent(diary, says=["one two three"]).run_streaming([{"role": "user", "content": "Go"}], ctx=context())

    async with aclosing(events):
        for _ in range(chunks):
            assert isinstance(await anext(events), Delta)

    assert [type(outcome.error) for outcome in diary.outcomes] == [GeneratorExit]


async def test_a_cancelled_run_finalizes_once_even_when_cancelled_again() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    class Slow(Skill):
        name = "slow"
        finished = 0

        @hook("finalize_connection")
        async def linger(self, ctx: RunContext, outcome: RunOutcome) -> None:
            entered.set()
            await release.wait()
            self.finished += 1

    skill = Slow()
    reading = asyncio.Event()

    async def read() -> None:
        events = agent(skill, says=[{"chunks": ["x"] * 1000}]).run_streaming(
            [{"role": "user", "content": "Go"}], ctx=context()
        )
        async with aclosing(events):
            async for _ in events:
                reading.set()

    run = asyncio.create_task(read())
    await reading.wait()
    run.cancel()
    await entered.wait()
    run.cancel()
    await asyncio.sleep(0)
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert skill.finished == 1


async def test_a_hook_may_drop_calls_of_the_agents_tools() -> None:
    class Dropping(Skill):
        name = "dropping"

        @hook("after_llm_call")
        async def drop(self, ctx: RunContext, reply: ModelReply) -> ModelReply:
            return msgspec.structs.replace(reply, tool_calls=())

    workshop = Workshop()

    reply = await ask(agent(Dropping(), workshop, says=[{"text": "So", "calls": [call("echo", text="-")]}]))

    assert (reply.text, reply.finish_reason, workshop.marks) == ("So", "stop", [])


async def test_a_hook_has_the_last_word_on_what_the_conversation_keeps_and_why_it_ended() -> None:
    class Guard(Skill):
        name = "guard"

        @hook("after_llm_call")
        async def judge(self, ctx: RunContext, reply: ModelReply) -> ModelReply:
            return msgspec.structs.replace(reply, text="[blocked]", finish_reason="content_filter")

    workshop, ctx = Workshop(), context()

    reply = await ask(agent(Guard(), workshop, says=[{"text": "secret", "calls": [call("echo", text="-")]}]), ctx=ctx)

    assert (reply.finish_reason, workshop.marks) == ("content_filter", [])
    assert ctx.messages[-1] == {"role": "assistant", "content": "[blocked]"}


async def test_errors_keep_their_payload(caplog: pytest.LogCaptureFixture) -> None:
    refused: Any = AccessDenied("No.")
    refused.detail = {"why": "scope"}

    with pytest.raises(AccessDenied) as caught:
        await ask(agent(refusing("before_toolcall", refused), Workshop(), says=[{"calls": [call("echo", text="-")]}]))

    assert caught.value is refused
