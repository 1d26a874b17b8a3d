"""The agent's own tools: who may use them, what the model is told, and what they cost."""

import asyncio
import threading
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from agents.runtime.events import ToolFinished, ToolProgressed
from skills.sdk import AccessDenied, PricingInfo, RunContext, Skill, Usage, tool
from skills.sdk.ports import Carried
from skills.sdk.testing import MemoryMeter
from tests.runtime.cast import Recorder, RunLimits, Workshop, agent, ask, call, context, results


async def told(*calls: dict[str, Any], **about: Any) -> list[Any]:
    """What the model is told when it makes these calls."""
    ctx = about.pop("ctx", None) or context()
    await ask(agent(about.pop("skill", None) or Workshop(), says=[{"calls": list(calls)}, "ok"], **about), ctx=ctx)
    return results(ctx)


async def test_a_tool_for_owners_does_not_run_for_an_ordinary_caller() -> None:
    skill = Workshop()

    answers = await told(call("dismantle"), skill=skill)

    assert skill.marks == []
    assert answers[0].startswith("The tool 'dismantle' is not available.")


async def test_a_tool_for_owners_runs_for_the_owner_and_for_staff() -> None:
    for scope in ("owner", "admin"):
        assert await told(call("dismantle"), ctx=context(scope=scope)) == ["gone"]


async def test_only_tools_within_the_callers_scope_are_offered() -> None:
    model = Recorder()
    who = agent(Workshop(), model=model)

    await ask(who)
    await ask(who, ctx=context(scope="owner"))

    offered = [{tool["function"]["name"] for tool in request.tools} for request in model.requests]
    assert offered[1] - offered[0] == {"dismantle"}


async def test_a_skill_for_owners_hides_all_its_tools() -> None:
    class Private(Skill):
        name = "private"
        scope = "owner"

        @tool
        async def peek(self) -> str:
            return "seen"

    assert "not available" in (await told(call("peek"), skill=Private()))[0]


async def test_tools_of_one_turn_run_at_once_and_answer_in_call_order() -> None:
    skill = Workshop()

    answers = await told(call("slow", label="a"), call("slow", label="b"), skill=skill)

    assert skill.marks[:2] == ["start a", "start b"]
    assert answers == ["a", "b"]


async def test_no_more_tools_run_at_once_than_allowed() -> None:
    class Counting(Skill):
        name = "counting"
        running = 0
        most = 0

        @tool
        async def work(self, n: int) -> int:
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(0)
            self.running -= 1
            return n

    skill = Counting()

    answers = await told(*(call("work", n=n) for n in range(6)), skill=skill, limits=RunLimits(parallel_tools=2))

    assert skill.most == 2
    assert answers == [str(n) for n in range(6)]


async def test_a_blocking_tool_leaves_the_loop_free_and_knows_its_run() -> None:
    ctx = context()
    longest = 0.0

    async def heart() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            longest = max(longest, time.perf_counter() - before)

    beating = asyncio.create_task(heart())
    answers = await told(call("blocking"), ctx=ctx)
    beating.cancel()

    assert answers == [ctx.run_id]
    assert longest < 0.19


@pytest.mark.parametrize(
    ("made", "answer"),
    [
        (call("forever"), "forever did not finish within 0.01 seconds."),
        (call("broken"), "broken failed for a reason of its own (KeyError)."),
        (call("refuse"), "It cannot be done."),
        (call("picky"), "Call it otherwise."),
        (call("echo"), "Invalid arguments: text: Field required."),
        (call("echo", text="a", more=1), "Invalid arguments: more: Unexpected keyword argument."),
        ({"name": "echo", "arguments": '{"text": '}, "The arguments are not valid JSON"),
        ({"name": "echo", "arguments": "[1]"}, "The arguments must be one JSON object."),
        (call("nowhere"), "The tool 'nowhere' is not available. Available tools: blocking, broken, echo"),
        (call("launch"), "This platform does not offer ctx.approvals"),
        (call("ponder"), "This platform does not offer ctx.background"),
    ],
)
async def test_the_model_is_told_what_went_wrong(made: dict[str, Any], answer: str) -> None:
    assert (await told(made))[0].startswith(answer)


async def test_a_failing_tool_is_recorded_but_its_traceback_stays_here(caplog: pytest.LogCaptureFixture) -> None:
    answers = await told(call("broken"))

    assert "secret detail" not in answers[0]
    assert "secret detail" in caplog.text


async def test_a_members_verdict_decides_what_needs_approval() -> None:
    class Verdict:
        def __init__(self, *, answer: bool) -> None:
            self.answer = answer

        async def ask(self, *, tool: str, arguments: Any, reason: str) -> bool:
            return self.answer

    skill = Workshop()

    assert "declined" in (await told(call("launch"), skill=skill, ctx=context(approvals=Verdict(answer=False))))[0]
    assert skill.marks == []
    assert await told(call("launch"), skill=skill, ctx=context(approvals=Verdict(answer=True))) == ["up"]


async def test_a_background_tool_runs_on_a_worker() -> None:
    class Worker:
        async def execute(self, *, call_id: str, tool: str, arguments: str, timeout_s: float, idempotent: bool) -> Any:
            return Carried(content=f"{tool} with {arguments}")

    assert await told(call("ponder"), ctx=context(background=Worker())) == ["ponder with {}"]


async def test_a_tool_tells_how_far_it_is_and_not_too_often() -> None:
    class Digging(Skill):
        name = "digging"

        @tool
        async def dig(self, ctx: RunContext, meters: int) -> str:
            """Dig."""
            for meter in range(meters):
                ctx.progress(meter + 1, meters, "deeper")
            return "deep"

        @tool
        def drill(self, ctx: RunContext) -> str:
            """Drill, in a thread."""
            ctx.progress(0.5)
            return "through"

    reply = await ask(agent(Digging(), says=[{"calls": [call("dig", meters=500), call("drill")]}, "ok"]))

    told_of = [(each.name, each.done, each.total) for each in reply.events if isinstance(each, ToolProgressed)]
    assert sorted(told_of, key=str) == [("dig", 1, 500), ("dig", 500, 500), ("drill", 0.5, None)]


async def test_a_long_result_is_cut_visibly() -> None:
    answers = await told(call("long", size=100), limits=RunLimits(tool_result_bytes=40))

    assert answers == ["x" * 40 + "\n[… cut: 40 of 100 bytes shown]"]


async def test_a_tool_that_returns_nothing_is_done_and_objects_become_json() -> None:
    class Returning(Skill):
        name = "returning"

        @tool
        async def nothing(self) -> None: ...

        @tool
        async def usage(self) -> Usage:
            return Usage(input_tokens=1)

        @tool
        async def nonsense(self) -> Any:
            return object()

        @tool
        async def impatient(self) -> None:
            raise TimeoutError("its own")

    answers = await told(call("nothing"), call("usage"), call("nonsense"), call("impatient"), skill=Returning())

    assert answers[0] == "Done."
    assert answers[1].startswith('{"input_tokens":1,')
    assert [answer.partition(" for ")[0] for answer in answers[2:]] == ["nonsense failed", "impatient failed"]


async def test_text_and_media_in_parts_are_limited_apart() -> None:
    class Album(Skill):
        name = "album"

        @tool
        async def browse(self) -> Any:
            photo = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5_000_000}}
            return [photo, {"type": "text", "text": "x" * 50}, photo]

    answers = await told(call("browse"), skill=Album(), limits=RunLimits(tool_result_bytes=20))

    assert [part["type"] for part in answers[0]] == ["image_url", "text", "text"]
    assert answers[0][1]["text"] == "x" * 20 + "\n[… cut: 20 of 50 bytes shown]"
    assert answers[0][2]["text"].startswith("[… left out: image_url of 50000")


async def test_pictures_in_results_survive() -> None:
    answers = await told(call("picture"))

    assert [part["type"] for part in answers[0]] == ["text", "image_url"]


async def test_a_model_that_cannot_call_tools_is_repaired_three_times_only() -> None:
    says = [{"calls": [call("echo", wrong=n)]} for n in range(10)]

    reply = await ask(agent(Workshop(), says=says))

    assert (reply.finish_reason, reply.stopped_by) == ("length", "repairs")
    assert sum(isinstance(event, ToolFinished) for event in reply.events) == 4


async def test_the_same_call_three_times_in_a_row_is_told_to_stop() -> None:
    skill = Workshop()
    ctx = context()

    await ask(agent(skill, says=[*({"calls": [call("echo", text="again")]},) * 3, "ok"]), ctx=ctx)

    assert skill.marks == ["again", "again"]
    assert results(ctx)[2].startswith("Stop: this is the same call of echo")


async def test_too_many_calls_at_once_are_not_all_made() -> None:
    skill = Workshop()

    answers = await told(*(call("echo", text=str(n)) for n in range(70)), skill=skill)

    assert len(skill.marks) == 64
    assert answers[69].startswith("Only 64 calls")


async def test_a_priced_tool_is_charged_once_it_succeeded() -> None:
    meter = MemoryMeter()

    await told(call("polish"), call("print_pages", pages=4), call("haggle"), ctx=context(meter=meter))

    assert meter.charged == {"polish": Decimal("0.25"), "print_pages": Decimal("0.4"), "haggle": Decimal("0.5")}
    assert meter.held == {}


async def test_a_priced_tool_that_fails_costs_nothing() -> None:
    meter = MemoryMeter()

    await told(call("polish", fail=True), ctx=context(meter=meter))

    assert (meter.charged, meter.held) == ({}, {})


async def test_a_price_that_cannot_be_told_fails_the_call_only() -> None:
    answers = await told({"name": "print_pages", "arguments": {"pages": -1}})

    assert answers == ["print_pages failed for a reason of its own (ValueError)."]


async def test_an_unpriced_tool_cannot_charge(caplog: pytest.LogCaptureFixture) -> None:
    class Greedy(Skill):
        name = "greedy"

        @tool
        async def take(self) -> Any:
            return "taken", PricingInfo(credits=Decimal(9))

    meter = MemoryMeter()

    assert await told(call("take"), skill=Greedy(), ctx=context(meter=meter)) == ["taken"]
    assert meter.charged == {}
    assert "@pricing" in caplog.text


async def test_a_tool_may_end_the_run_with_a_verdict_and_its_fellows_stop() -> None:
    class Guard(Skill):
        name = "guard"
        ended = False

        @tool
        async def deny(self) -> str:
            raise AccessDenied("Not you.")

        @tool
        async def wait(self) -> str:
            try:
                await asyncio.Event().wait()
            finally:
                self.ended = True
            return "never"

    skill = Guard()

    with pytest.raises(AccessDenied):
        await told(call("wait"), call("deny"), skill=skill)

    assert skill.ended


async def test_leaving_while_tools_run_stops_them() -> None:
    class Waiting(Skill):
        name = "waiting"

        def __init__(self) -> None:
            super().__init__()
            self.began = asyncio.Event()
            self.cancelled = False

        @tool
        async def wait(self) -> str:
            self.began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
            return "never"

    skill = Waiting()
    run = asyncio.create_task(told(call("wait"), skill=skill))
    await skill.began.wait()

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert skill.cancelled


async def test_tools_that_outlast_the_run_are_stopped_with_it() -> None:
    with pytest.raises(TimeoutError):
        await told(call("slow", label="alone"), limits=RunLimits(seconds=0.05))


async def test_calls_that_hang_take_no_threads_from_other_organizations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.runtime.threads.EACH", 2)
    let_go, entered = threading.Event(), list[str]()

    class Hanging(Skill):
        name = "hanging"

        @tool
        def hang(self) -> str:
            """Hang."""
            entered.append("hang")
            let_go.wait(10)
            return "at last"

    async def told_to(organization_id: str) -> list[Any]:
        ctx = replace(context(), organization_id=organization_id)
        who = agent(Hanging(), says=[{"calls": [call("hang")]}, "ok"], limits=RunLimits(tool_seconds=0.1))
        await ask(who, ctx=ctx)
        return results(ctx)

    hung = [await told_to("ours") for _ in range(3)]
    ours = len(entered)
    await told_to("theirs")
    theirs = len(entered) - ours
    let_go.set()
    async with asyncio.timeout(5):
        while (await told_to("ours")) != ["at last"]:  # noqa: ASYNC110 - threads tell nobody
            await asyncio.sleep(0.01)

    assert all("did not finish within" in result[0] for result in hung)
    assert (ours, theirs) == (2, 1)
