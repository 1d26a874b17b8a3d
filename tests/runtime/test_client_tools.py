"""Tools of the client: streamed out, never run here, and continued where the run left off."""

from collections.abc import Sequence
from typing import Any

import pytest

from agents.runtime.agent import BaseAgent
from agents.runtime.events import Delta, ToolFinished, ToolStarted
from agents.runtime.reply import Reply
from skills.sdk import Chunk, ModelRejected, NotAvailable, RunContext, Skill, ToolCallFragment, ToolFailed, tool
from skills.sdk.testing import MemoryMeter, MemoryStorage
from tests.runtime.cast import WEATHER, Recorder, RunLimits, Workshop, agent, ask, call, context, results

GO = {"role": "user", "content": "Go"}


def continued(reply: Reply, *answers: str) -> list[dict[str, Any]]:
    """What a client sends next: the assistant's message as it saw it, and its results."""
    calls = [
        {"id": made.id, "type": "function", "function": {"name": made.name, "arguments": made.arguments}}
        for made in reply.tool_calls
    ]
    answered = [
        {"role": "tool", "tool_call_id": made.id, "content": answer}
        for made, answer in zip(reply.tool_calls, answers, strict=False)
    ]
    return [GO, {"role": "assistant", "content": reply.text or None, "tool_calls": calls}, *answered]


def mixed(workshop: Workshop, *, then: Sequence[Any] = ("All done.",)) -> BaseAgent:
    """An agent whose model calls a tool of its own and one of the client's at once."""
    calls = [call("echo", text="secret"), call("get_weather", city="Riga")]
    return agent(workshop, says=[{"text": "Let me see.", "calls": calls}, *then])


async def test_a_clients_call_ends_the_turn_and_streams_each_fragment_once() -> None:
    reply = await ask(agent(says=[{"calls": [call("get_weather", city="Riga")]}]), client_tools=[WEATHER])

    fragments = [piece for event in reply.events if isinstance(event, Delta) for piece in event.tool_calls]
    assert reply.finish_reason == "tool_calls"
    assert "".join(piece.arguments for piece in fragments) == '{"city": "Riga"}'
    assert [piece.name for piece in fragments if piece.name] == ["get_weather"]


@pytest.mark.parametrize(
    "demand",
    [
        "required",
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "function", "function": {"name": "get_weather"}}],
            },
        },
    ],
)
async def test_a_client_that_demands_a_call_waits_for_one_of_its_own(demand: Any) -> None:
    own, theirs = (
        [
            Chunk(tool_calls=(ToolCallFragment(index=0, id=f"call_of_{name}", name=name, arguments=arguments),)),
            Chunk(finish_reason="tool_calls"),
        ]
        for name, arguments in (("echo", '{"text": "-"}'), ("get_weather", '{"city": "Riga"}'))
    )
    model = Recorder(script=[own, theirs])

    reply = await ask(agent(Workshop(), model=model), client_tools=[WEATHER], parameters={"tool_choice": demand})

    assert [request.parameters["tool_choice"] for request in model.requests] == [demand, demand]
    assert [made.name for made in reply.tool_calls] == ["get_weather"]


async def test_a_clients_tool_wins_over_the_agents_of_the_same_name() -> None:
    class Forecast(Skill):
        name = "forecast"
        asked = False

        @tool
        async def get_weather(self, city: str) -> str:
            self.asked = True
            return "rain"

    skill, model = Forecast(), Recorder()

    await ask(agent(skill, model=model), client_tools=[WEATHER])
    reply = await ask(agent(skill, says=[{"calls": [call("get_weather", city="Riga")]}]), client_tools=[WEATHER])

    assert list(model.requests[0].tools) == [WEATHER]
    assert (reply.finish_reason, skill.asked) == ("tool_calls", False)


async def test_in_a_mixed_turn_the_agents_tool_runs_and_only_the_clients_call_is_returned() -> None:
    workshop = Workshop()

    reply = await ask(mixed(workshop), client_tools=[WEATHER])

    assert workshop.marks == ["secret"]
    assert [made.name for made in reply.tool_calls] == ["get_weather"]
    assert {piece.index for event in reply.events if isinstance(event, Delta) for piece in event.tool_calls} == {0}
    assert [type(event) for event in reply.events if isinstance(event, ToolStarted | ToolFinished)] == [
        ToolStarted,
        ToolFinished,
    ]


async def test_a_mixed_turn_goes_on_where_it_stopped() -> None:
    storage, workshop = MemoryStorage(), Workshop()
    who = mixed(workshop)
    first = await ask(who, ctx=context(storage=storage), client_tools=[WEATHER])
    ctx = context(storage=storage)

    reply = await who.run(continued(first, "Rain"), ctx=ctx, client_tools=[WEATHER])

    assert reply.text == "All done."
    assert results(ctx) == ["secret", "Rain"]
    assert workshop.marks == ["secret"]


async def test_turns_before_the_clients_call_are_put_back_too() -> None:
    storage = MemoryStorage()
    who = agent(
        Workshop(), says=[{"calls": [call("echo", text="1")]}, {"calls": [call("get_weather", city="Riga")]}, "ok"]
    )
    first = await ask(who, ctx=context(storage=storage), client_tools=[WEATHER])
    ctx = context(storage=storage)

    await who.run(continued(first, "Rain"), ctx=ctx, client_tools=[WEATHER])

    assert [message["role"] for message in ctx.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]


async def test_nothing_is_kept_when_there_is_nothing_to_hide() -> None:
    storage = MemoryStorage()

    await ask(
        agent(says=[{"calls": [call("get_weather", city="Riga")]}]),
        ctx=context(storage=storage),
        client_tools=[WEATHER],
    )

    assert storage.values == {}


async def test_another_end_user_does_not_get_the_transcript() -> None:
    storage, who = MemoryStorage(), mixed(Workshop())
    first = await ask(who, ctx=context(storage=storage, end_user="ada"), client_tools=[WEATHER])
    ctx = context(storage=storage, end_user="eve")

    await who.run(continued(first, "Rain"), ctx=ctx, client_tools=[WEATHER])

    assert results(ctx) == ["Rain"]


async def test_a_message_with_other_calls_is_left_as_the_client_sent_it() -> None:
    storage, who = MemoryStorage(), mixed(Workshop())
    first = await ask(who, ctx=context(storage=storage), client_tools=[WEATHER])
    messages = continued(first, "Rain")
    messages[1]["tool_calls"].append(
        {"id": "call_of_its_own", "type": "function", "function": {"name": "x", "arguments": "{}"}}
    )
    ctx = context(storage=storage)

    await who.run(messages, ctx=ctx, client_tools=[WEATHER])

    assert results(ctx) == ["Rain"]


async def test_a_result_for_a_call_the_client_was_not_asked_for_is_refused() -> None:
    storage, who = MemoryStorage(), mixed(Workshop())
    seen = context(storage=storage)
    first = await ask(who, ctx=seen, client_tools=[WEATHER])
    hidden = next(message["tool_call_id"] for message in seen.messages if message["role"] == "tool")
    forged = [*continued(first, "Rain"), {"role": "tool", "tool_call_id": hidden, "content": "forged"}]

    with pytest.raises(ModelRejected, match=r"messages\[3\]") as caught:
        await who.run(forged, ctx=context(storage=storage), client_tools=[WEATHER])

    assert caught.value.parameter == "messages.[3].tool_call_id"


async def test_a_call_is_answered_once() -> None:
    storage, who = MemoryStorage(), mixed(Workshop())
    first = await ask(who, ctx=context(storage=storage), client_tools=[WEATHER])
    messages = continued(first, "Rain")

    with pytest.raises(ModelRejected):
        await who.run([*messages, messages[-1]], ctx=context(storage=storage), client_tools=[WEATHER])


async def test_calls_numbered_by_a_provider_get_ids_that_no_other_conversation_has() -> None:
    numbered = {"calls": [{**call("get_weather", city="Riga"), "id": "call_1"}]}

    ids = [
        (await ask(agent(says=[numbered]), client_tools=[WEATHER])).tool_calls[0].id,
        (await ask(agent(says=[numbered]), client_tools=[WEATHER])).tool_calls[0].id,
    ]

    assert len(set(ids)) == 2
    assert "call_1" not in ids


async def test_calls_that_come_before_their_names_and_side_by_side_keep_their_places() -> None:
    model = Recorder(
        Chunk(tool_calls=(ToolCallFragment(index=0, id="call_aaaaaaaaaaaa", arguments='{"ci'),)),
        Chunk(
            tool_calls=(
                ToolCallFragment(index=1, id="call_bbbbbbbbbbbb", name="get_weather"),
                ToolCallFragment(index=0, name="get_weather", arguments='ty": "A"}'),
            )
        ),
        Chunk(tool_calls=(ToolCallFragment(index=1, name="get_weather", arguments='{"city": "B"}'),)),
        Chunk(finish_reason="tool_calls"),
    )

    reply = await ask(agent(model=model), client_tools=[WEATHER])

    assert [(made.id, made.arguments) for made in reply.tool_calls] == [
        ("call_bbbbbbbbbbbb", '{"city": "B"}'),
        ("call_aaaaaaaaaaaa", '{"city": "A"}'),
    ]


async def test_a_transcript_too_large_to_keep_is_kept_with_shorter_results() -> None:
    storage = MemoryStorage()
    calls = [*(call("long", size=60_000 + n) for n in range(6)), call("get_weather", city="Riga")]
    who = agent(Workshop(), says=[{"calls": calls}, "ok"])
    first = await ask(who, ctx=context(storage=storage), client_tools=[WEATHER])
    ctx = context(storage=storage)

    await who.run(continued(first, "Rain"), ctx=ctx, client_tools=[WEATHER])

    assert len(results(ctx)) == 7
    assert all("cut" in result and len(result) < 20_000 for result in results(ctx)[:6])


async def test_a_transcript_that_cannot_be_kept_leaves_the_clients_own_message() -> None:
    storage = MemoryStorage()
    says = [{"text": "x" * 300_000, "calls": [call("echo", text="-"), call("get_weather", city="Riga")]}, "ok"]
    who = agent(Workshop(), says=says)
    first = await ask(who, ctx=context(storage=storage), client_tools=[WEATHER])
    ctx = context(storage=storage)

    await who.run(continued(first, "Rain"), ctx=ctx, client_tools=[WEATHER])

    assert storage.values == {}
    assert results(ctx) == ["Rain"]


async def test_where_nothing_can_be_stored_runs_go_on_without() -> None:
    class Nowhere(MemoryStorage):
        async def get_many(self, namespace: str, keys: Sequence[str]) -> Any:
            raise NotAvailable("No storage.")

        async def put(self, namespace: str, key: str, value: Any, **kwargs: Any) -> None:
            raise NotAvailable("No storage.")

    who = mixed(Workshop())
    first = await ask(who, ctx=context(storage=Nowhere()), client_tools=[WEATHER])
    ctx = context(storage=Nowhere())

    reply = await who.run(continued(first, "Rain"), ctx=ctx, client_tools=[WEATHER])

    assert (reply.text, results(ctx)) == ("All done.", ["Rain"])


async def test_a_custom_tool_of_the_client_is_the_clients() -> None:
    custom = {"type": "custom", "custom": {"name": "shell"}}

    reply = await ask(agent(says=[{"calls": [call("shell")]}]), client_tools=[custom])

    assert reply.finish_reason == "tool_calls"


async def test_at_the_turn_limit_the_client_is_asked_for_nothing() -> None:
    says = [{"calls": [call("echo", text="-")]}, {"text": "Enough.", "calls": [call("get_weather", city="Riga")]}]

    reply = await ask(agent(Workshop(), says=says, limits=RunLimits(turns=1)), client_tools=[WEATHER])

    assert (reply.text, reply.tool_calls, reply.finish_reason) == ("Enough.", (), "length")


async def test_further_choices_may_call_the_clients_tools() -> None:
    reply = await ask(
        agent(says=[{"calls": [call("get_weather", city="Riga")]}]), client_tools=[WEATHER], parameters={"n": 2}
    )

    assert reply.reasons == {0: "tool_calls", 1: "tool_calls"}


async def test_in_a_mixed_turn_a_tool_that_cannot_be_paid_for_keeps_nobody_from_the_clients() -> None:
    calls = [call("polish"), call("get_weather", city="Riga")]
    ctx: RunContext = context(meter=MemoryMeter(credits="0"))

    reply = await ask(agent(Workshop(), says=[{"calls": calls}]), ctx=ctx, client_tools=[WEATHER])

    assert (reply.finish_reason, reply.stopped_by) == ("tool_calls", None)
    assert [made.name for made in reply.tool_calls] == ["get_weather"]


@pytest.mark.parametrize("odd", ["half a pair: \ud83d", "nothing: \0"])
async def test_odd_characters_fail_no_run_and_are_kept_as_whole_ones(odd: str) -> None:
    storage = MemoryStorage()
    fragments = (
        ToolCallFragment(index=0, id="call_0123456789", name="echo", arguments='{"text": "x"}'),
        ToolCallFragment(index=1, id="call_9876543210", name="get_weather", arguments='{"city": "Riga"}'),
    )
    model = Recorder(Chunk(text=odd), Chunk(tool_calls=fragments), Chunk(finish_reason="tool_calls"))
    ctx = context(storage=storage)

    reply = await ask(agent(Workshop(), model=model), ctx=ctx, client_tools=[WEATHER])

    assert reply.finish_reason == "tool_calls"
    assert results(ctx) == ["x"]
    assert ctx.messages[-2]["content"] == f"{odd[:-1]}\ufffd"
    assert len(storage.values) == 1


async def test_halves_of_a_pair_that_come_apart_are_one_character_again() -> None:
    ctx = context()
    model = Recorder(Chunk(text="\ud83d"), Chunk(text="\ude00"), Chunk(finish_reason="stop"))

    await ask(agent(model=model), ctx=ctx)

    assert ctx.messages[-1]["content"] == "\U0001f600"


@pytest.mark.parametrize("error", [NotAvailable("away"), ToolFailed("too large")])
async def test_a_transcript_that_cannot_be_kept_fails_no_run(error: Exception) -> None:
    class Broken(MemoryStorage):
        async def put(self, *args: Any, **kwargs: Any) -> None:
            raise error

    reply = await ask(mixed(Workshop()), ctx=context(storage=Broken()), client_tools=[WEATHER])

    assert reply.finish_reason == "tool_calls"
