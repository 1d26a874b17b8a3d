"""The loop: what the model is asked, turn by turn, and how a run ends."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from agents.runtime.agent import BaseAgent
from agents.runtime.events import Delta, Finished, ToolFinished, ToolStarted, TurnFinished
from agents.runtime.system import CALLERS
from skills.sdk import (
    BudgetExhausted,
    Chunk,
    Credential,
    ModelRateLimited,
    ModelRejected,
    ModelUnreachable,
    Secret,
    ToolCallFragment,
    Usage,
)
from skills.sdk.testing import MemoryMeter, MemorySecrets
from tests.runtime.cast import Recorder, RunLimits, Signs, Workshop, agent, ask, call, context, results


async def test_an_agent_answers_with_the_help_of_its_tools() -> None:
    ctx = context()

    reply = await ask(agent(Workshop(), says=[{"calls": [call("echo", text="hi")]}, "It said hi."]), ctx=ctx)

    assert reply.text == "It said hi."
    assert reply.reasons == {0: "stop"}
    assert results(ctx) == ["hi"]
    assert [type(event) for event in reply.events if not isinstance(event, Delta)] == [
        TurnFinished,
        ToolStarted,
        ToolFinished,
        TurnFinished,
        Finished,
    ]


async def test_text_before_and_after_a_tool_call_is_one_answer() -> None:
    reply = await ask(agent(Workshop(), says=[{"text": "One ", "calls": [call("echo", text="-")]}, "two."]))

    assert reply.text == "One two."


async def test_the_system_message_is_instructions_then_the_clients_then_prompts_by_priority() -> None:
    model = Recorder()
    said: list[dict[str, Any]] = [
        {"role": "system", "content": "Client says."},
        {"role": "user", "content": "Hi"},
        {"role": "developer", "content": [{"type": "text", "text": "Developer says."}]},
    ]

    await agent(Signs(), model=model, instructions="Be kind.").run(said, ctx=context())

    assert list(model.requests[0].messages) == [
        {
            "role": "system",
            "content": f"Be kind.\n\n{CALLERS}\n\nClient says.\n\nDeveloper says.\n\nBe brief.\n\nYou serve caller.",
        },
        {"role": "user", "content": "Hi"},
    ]


async def test_an_owner_sees_the_prompts_for_owners() -> None:
    model = Recorder()

    await ask(agent(Signs(), model=model), ctx=context(scope="owner"))

    assert model.requests[0].messages[0]["content"].startswith("This is the owner.\n\nBe brief.")


async def test_without_anything_to_say_there_is_no_system_message() -> None:
    model = Recorder()

    await ask(agent(model=model))

    assert [message["role"] for message in model.requests[0].messages] == ["user"]


async def test_usage_is_recorded_per_turn_and_summed_for_the_run() -> None:
    meter = MemoryMeter()
    spent = {"input_tokens": 10, "output_tokens": 3, "cached_input_tokens": 4}
    ctx = context(meter=meter)

    reply = await ask(
        agent(Workshop(), says=[{"calls": [call("echo", text="-")], "usage": spent}, {"usage": spent}]), ctx=ctx
    )

    assert [record.usage.output_tokens for record in meter.records] == [3, 3]
    assert reply.usage == Usage(input_tokens=20, output_tokens=6, cached_input_tokens=8)
    assert ctx.usage == meter.records


async def test_usage_names_the_model_the_agent_and_whose_credential_paid() -> None:
    class Borrowing(Recorder):
        async def stream(self, ctx: Any, request: Any) -> Any:
            await self.credential(ctx, "openai")
            yield Chunk(finish_reason="stop")

    class Platform(MemorySecrets):
        async def credential(
            self, provider: str, *, reference: str | None = None, base_url: str | None = None
        ) -> Credential:
            return Credential(id="1", provider=provider, secret=Secret("sk"), platform=True)

    ctx = context(secrets=Platform())

    who = BaseAgent.build(model_skill=Borrowing(), id="a-1", model="openai/gpt")

    await ask(who, ctx=ctx)

    record = ctx.usage[0]
    assert (record.model, record.agent_id, record.platform_credential) == ("openai/gpt", "a-1", True)


async def test_usage_that_no_provider_reports_is_counted() -> None:
    meter = MemoryMeter()

    reply = await ask(agent(says=[{"text": "Grüße an alle", "no_usage": True}]), ctx=context(meter=meter))

    assert reply.usage.source == "counted"
    assert reply.usage.output_tokens == 4
    assert meter.produced_bytes == len("Grüße an alle".encode())
    assert reply.usage.input_tokens > 0


async def test_one_chunk_is_one_delta_with_all_it_says() -> None:
    model = Recorder(
        Chunk(reasoning="hm"),
        Chunk(text="a", logprobs={"content": []}),
        Chunk(refusal="no", extras={"annotations": [1]}),
        Chunk(finish_reason="stop"),
        Chunk(usage=Usage(output_tokens=1)),
    )

    reply = await ask(agent(model=model))

    assert list(reply.events[:3]) == [
        Delta(reasoning="hm"),
        Delta(text="a", logprobs={"content": []}),
        Delta(refusal="no", extras={"annotations": [1]}),
    ]
    assert isinstance(reply.events[3], TurnFinished)


async def test_at_the_turn_limit_a_last_call_without_tools_gives_the_answer() -> None:
    model = Recorder(script=[[_fragment(f"call_number_{n}", n), Chunk(finish_reason="tool_calls")] for n in range(4)])

    reply = await ask(
        agent(Workshop(), model=model, limits=RunLimits(turns=2)), parameters={"parallel_tool_calls": True}
    )

    assert (reply.finish_reason, reply.stopped_by) == ("length", "turns")
    assert len(model.requests) == 3
    assert model.requests[1].tools
    assert not model.requests[2].tools
    assert "parallel_tool_calls" not in model.requests[2].parameters
    assert "best answer" in model.requests[2].messages[-1]["content"]


async def test_money_that_runs_out_between_turns_ends_the_run_without_an_error() -> None:
    meter = MemoryMeter(turns_paid_for=1)

    reply = await ask(
        agent(Workshop(), says=[{"text": "So far", "calls": [call("echo", text="-")]}]), ctx=context(meter=meter)
    )

    assert (reply.text, reply.finish_reason, reply.stopped_by) == ("So far", "length", "budget")


async def test_money_that_is_lacking_from_the_start_is_an_error() -> None:
    with pytest.raises(BudgetExhausted):
        await ask(agent(), ctx=context(meter=MemoryMeter(turns_paid_for=0)))


@pytest.mark.parametrize(
    ("paid_for", "asked_for", "stopped_by"), [(2, 100, "budget"), (100, 2, "output_tokens"), (None, 2, "output_tokens")]
)
async def test_a_reply_is_cut_at_the_smaller_limit_which_is_named(
    paid_for: int | None, asked_for: int, stopped_by: str
) -> None:
    meter = MemoryMeter(max_output_tokens=paid_for)

    reply = await ask(agent(says=["one two three four"]), ctx=context(meter=meter), max_output_tokens=asked_for)

    assert (reply.text, reply.finish_reason, reply.stopped_by) == ("one two ", "length", stopped_by)


async def test_output_tokens_are_limited_over_all_turns() -> None:
    who = agent(
        Workshop(),
        says=[{"calls": [call("echo", text="-")], "usage": {"input_tokens": 1, "output_tokens": 9}}, "never said"],
        limits=RunLimits(output_tokens=9),
    )

    reply = await ask(who)

    assert (reply.text, reply.finish_reason, reply.stopped_by) == ("", "length", "output_tokens")


async def test_a_budget_of_nothing_ends_the_run() -> None:
    reply = await ask(agent(says=["never said"]), ctx=context(meter=MemoryMeter(max_output_tokens=0)))

    assert (reply.text, reply.stopped_by) == ("", "budget")


async def test_a_forced_tool_is_forced_on_the_first_turn_only() -> None:
    model = Recorder(
        script=[[_fragment("call_of_length_12"), Chunk(finish_reason="tool_calls")], [Chunk(finish_reason="stop")]]
    )
    forced = {"type": "function", "function": {"name": "echo"}}

    await ask(agent(Workshop(), model=model), parameters={"tool_choice": forced, "parallel_tool_calls": False})

    assert [request.parameters.get("tool_choice") for request in model.requests] == [forced, None]
    assert [request.parameters["parallel_tool_calls"] for request in model.requests] == [False, False]


@pytest.mark.parametrize(
    ("choice", "afterwards"),
    [
        ("none", "none"),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
        ),
    ],
)
async def test_a_choice_that_forbids_tools_holds_on_every_turn(choice: Any, afterwards: Any) -> None:
    model = Recorder(
        script=[[_fragment("call_of_length_12"), Chunk(finish_reason="tool_calls")], [Chunk(finish_reason="stop")]]
    )

    await ask(agent(Workshop(), model=model), parameters={"tool_choice": choice})

    assert [request.parameters["tool_choice"] for request in model.requests] == [choice, afterwards]


async def test_the_agents_own_settings_are_defaults_unless_locked() -> None:
    model = Recorder()
    who = agent(model=model, sampling={"temperature": 0.1, "top_p": 0.5}, locked=frozenset({"top_p"}))

    await ask(who, parameters={"temperature": 0.9, "top_p": 0.9, "seed": None})

    assert dict(model.requests[0].parameters) == {"temperature": 0.9, "top_p": 0.5}


class Particular(Recorder):
    """A model that takes a temperature and nothing else."""

    async def stream(self, ctx: Any, request: Any) -> Any:
        self.requests.append(request)
        for name in request.parameters:
            if name != "temperature":
                raise ModelRejected(f"No {name}.", parameter=name, code="unsupported_parameter")
        yield Chunk(text="ok")
        yield Chunk(finish_reason="stop")


async def test_a_parameter_the_model_does_not_take_is_an_error() -> None:
    with pytest.raises(ModelRejected, match="No seed"):
        await ask(agent(model=Particular()), parameters={"seed": 1})


async def test_a_parameter_the_model_does_not_take_is_dropped_and_named_when_the_owner_wants_that() -> None:
    ctx, model = context(), Particular()

    reply = await ask(
        agent(model=model, drop_unsupported=True), ctx=ctx, parameters={"seed": 1, "temperature": 0, "top_p": 1}
    )

    assert reply.text == "ok"
    assert dict(model.requests[-1].parameters) == {"temperature": 0}
    assert ctx.ignored == {"seed", "top_p"}
    assert len(ctx.usage) == 1


@pytest.mark.parametrize("parameter", ["messages", "seed"])
async def test_other_refusals_are_errors_all_the_same(parameter: str) -> None:
    code = "unsupported_parameter" if parameter == "messages" else "invalid_value"

    class Refusing(Recorder):
        async def stream(self, ctx: Any, request: Any) -> Any:
            if request.parameters:
                raise ModelRejected("No.", parameter=parameter, code=code)
            yield Chunk(finish_reason="stop")

    with pytest.raises(ModelRejected):
        await ask(agent(model=Refusing(), drop_unsupported=True), parameters={"seed": 1})


async def test_of_several_choices_only_the_first_can_use_the_agents_tools() -> None:
    reply = await ask(agent(Workshop(), says=[{"calls": [call("echo", text="hi")]}, "Done."]), parameters={"n": 2})

    assert reply.reasons == {0: "stop", 1: "stop"}
    assert reply.texts == {0: "Done.", 1: "[echo: only the first choice can use the agent's tools.]"}


async def test_a_reply_that_breaks_off_is_an_error() -> None:
    with pytest.raises(ModelUnreachable, match="broke off"):
        await ask(agent(model=Recorder(Chunk(text="I was about"))))


async def test_a_failure_before_the_first_chunk_is_recorded_as_not_delivered() -> None:
    meter = MemoryMeter()

    with pytest.raises(ModelRateLimited) as caught:
        await ask(agent(says=[{"error": "rate_limited", "retry_after_s": 7}]), ctx=context(meter=meter))

    assert caught.value.retry_after_s == 7
    assert [record.delivered for record in meter.records] == [False]


async def test_a_failure_in_the_middle_keeps_what_was_produced() -> None:
    meter = MemoryMeter()
    says = [{"text": "one two three", "error": "unreachable", "error_after": 2}]

    with pytest.raises(ModelUnreachable):
        await ask(agent(says=says), ctx=context(meter=meter))

    assert [(record.delivered, record.usage.output_tokens) for record in meter.records] == [(True, 2)]


@pytest.mark.parametrize("chunks", range(6))
async def test_leaving_after_any_chunk_closes_the_model_stream(chunks: int) -> None:
    model = Recorder(*(Chunk(text=f"{n} ") for n in range(6)), Chunk(finish_reason="stop"))
    meter = MemoryMeter()
    events = agent(model=model).run_streaming([{"role": "user", "content": "Go"}], ctx=context(meter=meter))

    async with aclosing(events):
        for _ in range(chunks + 1):
            await anext(events)

    assert model.closed == 1
    assert meter.records[0].usage.output_tokens == -(-2 * (chunks + 1) // 4)
    assert meter.records[0].usage.source == "counted"


async def test_cancelling_a_run_closes_the_model_stream() -> None:
    model = Recorder(*(Chunk(text="x") for _ in range(1000)))
    started = asyncio.Event()

    async def read() -> None:
        events = agent(model=model).run_streaming([], ctx=context())
        async with aclosing(events):
            async for _ in events:
                started.set()

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert model.closed == 1


def _fragment(id: str, text: int = 0) -> Chunk:
    return Chunk(tool_calls=(ToolCallFragment(index=0, id=id, name="echo", arguments=f'{{"text": "{text}"}}'),))
