"""Replies in a form that was asked for: kept back until they have it, mended once, or not given out at all."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.runtime.events import Delta
from skills.sdk import Chunk, ModelRejected, ModelRequest, ReplyUnfit, RunContext
from skills.sdk.model import NOT_THE_USER
from skills.sdk.ports import TurnBudget
from skills.sdk.testing import MemoryMeter
from tests.runtime.cast import WEATHER, Recorder, RunLimits, Workshop, agent, ask, call, context

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "pattern": "^[A-Z]"}},
    "required": ["city"],
    "additionalProperties": False,
}
GOOD = '{"city": "Riga"}'


def form(schema: Any = CITY, *, strict: bool = True) -> dict[str, Any]:
    described = {"name": "answer", "schema": schema, "strict": strict}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


JSON: dict[str, Any] = {"response_format": {"type": "json_object"}}


class Wordy(Recorder):
    """A model that has no field for a form."""

    name = "wordy"
    complaint = "response_format"

    async def stream(self, ctx: RunContext, request: ModelRequest) -> AsyncIterator[Chunk]:
        if "response_format" in request.parameters:
            raise ModelRejected("What is that?", parameter=self.complaint, code="unsupported_parameter")
        async for chunk in super().stream(ctx, request):
            yield chunk


async def test_a_reply_in_form_is_given_out_as_it_is() -> None:
    reply = await ask(agent(says=[GOOD]), parameters=form())

    assert (reply.text, reply.finish_reason) == (GOOD, "stop")


async def test_nothing_is_given_out_before_it_is_known_to_be_in_form() -> None:
    reply = await ask(agent(says=[{"chunks": ['{"city"', ': "Riga"}']}]), parameters=form())

    assert [event.text for event in reply.events if isinstance(event, Delta)] == [GOOD]


@pytest.mark.parametrize(
    "bad", ["Riga!", '{"city": 5}', '{"city": "riga"}', '{"city": "Riga", "x": 1}', "{}", "[]", ""]
)
async def test_a_reply_out_of_form_is_mended_once(bad: str) -> None:
    ctx = context()

    reply = await ask(agent(says=[bad, GOOD]), ctx=ctx, parameters=form())

    assert (reply.text, reply.finish_reason) == (GOOD, "stop")
    assert len(ctx.usage) == 2
    assert reply.usage.output_tokens == sum(record.usage.output_tokens for record in ctx.usage)
    assert [message["content"] for message in ctx.messages] == ["Go", GOOD]


async def test_the_model_is_told_what_is_wrong() -> None:
    model = Recorder(
        script=[
            [Chunk(text='{"city": 5}'), Chunk(finish_reason="stop")],
            [Chunk(text=GOOD), Chunk(finish_reason="stop")],
        ]
    )

    await ask(agent(Workshop(), model=model), parameters={**form(), "n": 1, "tool_choice": "auto"})

    asked = model.requests[1]
    assert asked.messages[-2] == {"role": "assistant", "content": '{"city": 5}'}
    assert asked.messages[-1]["content"].startswith(NOT_THE_USER)
    assert "$.city, 5 is not of type 'string'" in asked.messages[-1]["content"]
    assert asked.parameters == form()
    assert asked.tools == ()


@pytest.mark.parametrize("parameters", [form(), JSON])
async def test_a_model_that_misses_the_form_twice_has_failed(parameters: dict[str, Any]) -> None:
    ctx = context()

    with pytest.raises(ReplyUnfit):
        await ask(agent(says=["Riga", "Riga again", GOOD]), ctx=ctx, parameters=parameters)

    assert len(ctx.usage) == 2


@pytest.mark.parametrize(("said", "fits"), [('{"a": 1}', True), ("[1]", False), ('{"a": NaN}', False), ("{", False)])
async def test_an_object_is_an_object(said: str, *, fits: bool) -> None:
    reply = await ask(agent(says=[said, '{"mended": true}']), parameters=JSON)

    assert reply.text == (said if fits else '{"mended": true}')


async def test_a_fence_is_taken_off() -> None:
    reply = await ask(agent(says=[f"```json\n{GOOD}\n```"]), parameters=form())

    assert reply.text == GOOD


async def test_a_schema_that_is_not_strict_holds_nobody() -> None:
    reply = await ask(agent(says=["Riga"]), parameters=form(strict=False))

    assert reply.text == "Riga"


async def test_a_refusal_is_never_mended() -> None:
    ctx = context()

    reply = await ask(agent(says=[{"refusal": "I will not."}]), ctx=ctx, parameters=form())

    assert [event.refusal for event in reply.events if isinstance(event, Delta)] == ["I will not."]
    assert (reply.text, reply.finish_reason, len(ctx.usage)) == ("", "stop", 1)


async def test_a_mended_reply_may_be_a_refusal() -> None:
    reply = await ask(agent(says=["Riga", {"refusal": "I will not."}]), parameters=form())

    assert "".join(event.refusal for event in reply.events if isinstance(event, Delta)) == "I will not."
    assert (reply.text, reply.finish_reason) == ("", "stop")


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_a_reply_cut_short_is_given_out_as_it_is(reason: str) -> None:
    reply = await ask(agent(says=[{"text": '{"city": "Ri', "finish_reason": reason}]), parameters=form())

    assert (reply.text, reply.finish_reason) == ('{"city": "Ri', reason)


async def test_remarks_beside_the_agents_calls_are_no_part_of_the_answer() -> None:
    steps = [{"text": "Let me see.", "calls": [call("echo", text="x")]}, GOOD]

    reply = await ask(agent(Workshop(), says=steps), parameters=form())

    assert reply.text == GOOD


@pytest.mark.parametrize(("remark", "kept"), [("Let me see.", ""), (GOOD, GOOD)])
async def test_beside_the_clients_calls_only_what_is_in_form_is_said(remark: str, kept: str) -> None:
    steps = [{"text": remark, "calls": [call("get_weather", city="Riga")]}]

    reply = await ask(agent(says=steps), parameters=form(), client_tools=[WEATHER])

    assert (reply.text, reply.finish_reason) == (kept, "tool_calls")
    assert [made.name for made in reply.tool_calls] == ["get_weather"]


async def test_each_choice_is_mended_by_itself() -> None:
    def said(choice: int, text: str) -> list[Chunk]:
        return [Chunk(choice=choice, text=text), Chunk(choice=choice, finish_reason="stop")]

    mended = [Chunk(text='{"city": "Oslo"}'), Chunk(finish_reason="stop")]
    model = Recorder(script=[[*said(0, GOOD), *said(1, "Oslo"), *said(2, GOOD)], mended])

    reply = await ask(agent(model=model), parameters={**form(), "n": 3})

    assert reply.texts == {0: GOOD, 1: '{"city": "Oslo"}', 2: GOOD}
    assert "n" not in model.requests[1].parameters
    assert model.requests[1].messages[-2] == {"role": "assistant", "content": "Oslo"}


async def test_logprobs_come_with_the_words_they_are_of() -> None:
    reply = await ask(agent(says=["Riga", GOOD]), parameters={**form(), "logprobs": True})

    released = [event for event in reply.events if isinstance(event, Delta) and event.text]
    assert [len(event.logprobs["content"]) for event in released if event.logprobs] == [2]


async def test_a_model_without_a_field_for_the_form_is_told_in_words() -> None:
    model, ctx = Wordy(Chunk(text=GOOD), Chunk(finish_reason="stop")), context()

    reply = await ask(agent(model=model), ctx=ctx, parameters={**form(), "seed": 1})

    assert reply.text == GOOD
    assert model.requests[0].parameters == {"seed": 1}
    words = model.requests[0].messages[-1]["content"]
    assert json.dumps(CITY, separators=(",", ":")) in words
    assert ctx.ignored == set()


async def test_a_model_that_cannot_be_held_to_a_schema_is_told_of_it_too() -> None:
    model = Wordy(Chunk(text=GOOD), Chunk(finish_reason="stop"))
    model.complaint = "response_format.json_schema.schema"

    reply = await ask(agent(model=model), parameters=form())

    assert reply.text == GOOD
    assert "response_format" not in model.requests[0].parameters


async def test_it_is_told_so_in_every_turn() -> None:
    calling = [Chunk(tool_calls=(), text=""), Chunk(finish_reason="stop")]
    model = Wordy(script=[[Chunk(text="Riga"), *calling], [Chunk(text=GOOD), *calling]])

    await ask(agent(model=model), parameters=form())

    assert [json.dumps(request.messages).count("JSON Schema") for request in model.requests] == [1, 1]


async def test_without_money_for_another_call_a_reply_out_of_form_stays_one() -> None:
    poor = agent(says=["Riga is a city", GOOD], limits=RunLimits(output_tokens=4))

    with pytest.raises(ReplyUnfit):
        await ask(poor, parameters=form())


async def test_alternatives_without_end_are_not_tried_to_the_end() -> None:
    levels = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    schema = {
        **CITY,
        "properties": {"city": {"$ref": "#/$defs/d0"}},
        "$defs": {**levels, "d40": {"type": "integer"}},
    }

    with pytest.raises(ModelRejected, match="too long to check"):
        await ask(agent(says=[GOOD]), parameters=form(schema))


async def test_a_schema_that_refers_to_itself_ends_too() -> None:
    schema = {**CITY, "properties": {"city": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}

    with pytest.raises(ModelRejected, match="too long to check"):
        await ask(agent(says=[GOOD]), parameters=form(schema))


async def test_a_pattern_takes_no_longer_than_its_text() -> None:
    schema = {**CITY, "properties": {"city": {"type": "string", "pattern": "^(a+)+$"}}}

    with pytest.raises(ReplyUnfit):
        await ask(agent(says=[json.dumps({"city": "a" * 5_000 + "!"})] * 2), parameters=form(schema))


async def test_complaints_about_a_long_reply_are_not_made_without_end() -> None:
    schema = {**CITY, "properties": {"city": {"anyOf": [{"type": "integer"}] * 20_000}}}

    with pytest.raises(ModelRejected, match="too long to check"):
        await ask(agent(says=[json.dumps({"city": "x" * 100_000})]), parameters=form(schema))


@pytest.mark.parametrize(("last", "fits"), [(30_000, True), (0, False)])
async def test_a_long_array_is_looked_through_for_what_it_has_twice(last: int, *, fits: bool) -> None:
    cities = {"type": "array", "uniqueItems": True, "items": {"type": "array", "items": {"type": "integer"}}}
    said = json.dumps({"city": [*([number] for number in range(10_000)), [last]]})
    asking = ask(agent(says=[said] * 2), parameters=form({**CITY, "properties": {"city": cities}}))

    if fits:
        assert (await asking).text == said
    else:
        with pytest.raises(ReplyUnfit):
            await asking


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "integer", "multipleOf": 0},
        {"type": "integer", "minimum": "1"},
        {"$ref": "#/default", "default": {"minimum": []}},
    ],
    ids=str,
)
async def test_a_reply_cannot_be_checked_against_what_is_no_schema(bad: dict[str, Any]) -> None:
    schema = {**CITY, "properties": {"city": bad}, "default": {"minimum": "1"}}

    with pytest.raises(ModelRejected, match="cannot be checked"):
        await ask(agent(says=['{"city": 5}']), parameters=form(schema))


class Ledger(MemoryMeter):
    """Keeps how much each call was reserved for."""

    def __init__(self) -> None:
        super().__init__()
        self.reserved: list[int] = []

    async def reserve_turn(self, *, input_bytes: int, max_output_tokens: int | None) -> TurnBudget:
        self.reserved.append(input_bytes)
        return await super().reserve_turn(input_bytes=input_bytes, max_output_tokens=max_output_tokens)


async def test_the_form_is_read_and_paid_for_like_what_is_said() -> None:
    meter, long = Ledger(), {**CITY, "description": "x" * 1_000}

    await ask(agent(says=[GOOD]), ctx=context(meter=meter), parameters=form(long))

    assert meter.reserved[0] > 1_000


async def test_a_correction_is_reserved_with_what_it_corrects() -> None:
    meter = Ledger()

    await ask(agent(says=["x" * 1_000, GOOD]), ctx=context(meter=meter), parameters=form())

    assert meter.reserved[1] - meter.reserved[0] > 1_000
