"""The scripted model: its rules, and the persona that answers where they are silent."""

import json
import time
from contextlib import aclosing
from typing import Any

import jsonschema
import pytest

from skills.calculator import CalculatorSkill
from skills.clock import ClockSkill
from skills.scripted import ScriptedSkill
from skills.scripted.script import Rule
from skills.sdk import (
    Chunk,
    ModelFailed,
    ModelOverloaded,
    ModelRateLimited,
    ModelRejected,
    ModelRequest,
    ModelTimeout,
    ModelUnauthorized,
    ModelUnreachable,
    Usage,
)
from skills.sdk.testing import context, converse


def function(name: str, /, **properties: Any) -> dict[str, Any]:
    """A tool of the client."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


async def chunks_of(
    said: Any, *rules: Any, limit: int | None = None, tools: Any = (), options: Any = None, **parameters: Any
) -> list[Chunk]:
    """What the model says."""
    skill = ScriptedSkill(ScriptedSkill.Options.model_validate({"rules": rules, **(options or {})}))
    messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
    request = ModelRequest(
        model="scripted/persona", messages=messages, tools=tools, parameters=parameters, max_output_tokens=limit
    )
    async with aclosing(skill.stream(context(), request)) as chunks:  # type: ignore[type-var]  # an async generator
        return [chunk async for chunk in chunks]


async def text_of(said: Any, *rules: Any, **about: Any) -> str:
    return "".join(chunk.text for chunk in await chunks_of(said, *rules, **about))


async def calls_of(said: Any, *rules: Any, **about: Any) -> list[tuple[str, Any]]:
    """The calls the model makes: name and decoded arguments."""
    made: dict[int, list[str]] = {}
    for chunk in await chunks_of(said, *rules, **about):
        for piece in chunk.tool_calls:
            call = made.setdefault(piece.index, ["", ""])
            call[0] += piece.name
            call[1] += piece.arguments
    return [(name, json.loads(arguments)) for name, arguments in made.values()]


async def test_the_first_rule_that_matches_answers() -> None:
    rules = [{"match": "WEATHER", "text": "Rain."}, {"pattern": "4*2", "text": "A number."}, {"text": "Anything."}]

    assert await text_of("How is the weather?", *rules) == "Rain."
    assert await text_of("42", *rules) == "A number."
    assert await text_of("Hm", *rules) == "Anything."


async def test_a_rule_goes_on_with_then_and_after_that_the_persona_speaks() -> None:
    rule = {"calls": [{"name": "look", "id": "call_abcdefghij"}], "then": [{"text": "Second."}]}
    user = {"role": "user", "content": "Go"}
    asked = {
        "role": "assistant",
        "tool_calls": [{"id": "call_abcdefghij", "function": {"name": "look", "arguments": "{}"}}],
    }
    answered = {"role": "tool", "tool_call_id": "call_abcdefghij", "content": "Found"}

    assert await calls_of([user], rule) == [("look", {})]
    assert await text_of([user, asked, answered], rule) == "Second."
    assert await text_of([user, asked, answered], {**rule, "then": []}) == "look says: Found"


async def test_words_come_one_by_one_and_join_to_the_text() -> None:
    said = "Two  words,\n\nand more. "

    pieces = [chunk.text for chunk in await chunks_of("x", {"text": said}) if chunk.text]

    assert "".join(pieces) == said
    assert len(pieces) > 3


async def test_pieces_may_be_prescribed() -> None:
    by_size = await chunks_of("x", {"text": "abcdef"}, options={"chunk_chars": 4, "chunk_ms": 1})
    by_hand = await chunks_of("x", {"chunks": ["ab", "", "c"], "delay_ms": 1})

    assert [chunk.text for chunk in by_size][:2] == ["abcd", "ef"]
    assert [chunk.text for chunk in by_hand][:3] == ["ab", "", "c"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("rejected", ModelRejected),
        ("unauthorized", ModelUnauthorized),
        ("rate_limited", ModelRateLimited),
        ("overloaded", ModelOverloaded),
        ("unreachable", ModelUnreachable),
        ("timeout", ModelTimeout),
    ],
)
@pytest.mark.parametrize("after", [0, 2, 9])
async def test_a_rule_may_fail_at_once_or_later(kind: str, error: type[ModelFailed], after: int) -> None:
    skill = ScriptedSkill(
        ScriptedSkill.Options.model_validate({"rules": [{"text": "a b c", "error": kind, "error_after": after}]})
    )
    said: list[str] = []

    async def listen() -> None:
        async for chunk in skill.stream(context(), ModelRequest(model="scripted/x", messages=[])):
            said.extend([chunk.text] if chunk.text else [])

    with pytest.raises(error) as caught:
        await listen()

    assert type(caught.value) is error
    assert len(said) == min(after, 3)


async def test_a_reply_is_cut_to_what_is_paid_for() -> None:
    cut = await chunks_of("x", {"text": "four5678 more"}, limit=2)

    assert "".join(chunk.text for chunk in cut) == "four5678"
    assert [chunk.finish_reason for chunk in cut if chunk.finish_reason] == ["length"]
    assert cut[-1].usage is not None
    assert cut[-1].usage.output_tokens == 2


async def test_a_letter_is_never_cut_in_two() -> None:
    assert await text_of("x", {"text": "aüüü"}, limit=1) == "aü"


async def test_usage_is_honest_prescribed_or_missing() -> None:
    honest = (await chunks_of("x", {"text": "x" * 40, "reasoning": "y" * 40}))[-1].usage
    prescribed = (await chunks_of("x", {"usage": {"input_tokens": 7, "output_tokens": 8}}))[-1].usage
    missing = (await chunks_of("x", {"no_usage": True}))[-1].usage

    assert honest is not None
    assert (honest.output_tokens, honest.reasoning_tokens) == (20, 10)
    assert honest.input_tokens > 5
    assert prescribed == Usage(input_tokens=7, output_tokens=8)
    assert missing is None


async def test_every_choice_says_it_all() -> None:
    chunks = await chunks_of("x", {"text": "hi", "reasoning": "hm"}, n=3)

    assert {chunk.choice: chunk.text for chunk in chunks if chunk.text} == {0: "hi", 1: "hi", 2: "hi"}
    assert [chunk.choice for chunk in chunks if chunk.finish_reason] == [0, 1, 2]


async def test_a_rule_may_say_why_it_stopped_and_send_no_json() -> None:
    chunks = await chunks_of("x", {"calls": [{"name": "f", "arguments": '{"a'}], "finish_reason": "content_filter"})

    assert "".join(piece.arguments for chunk in chunks for piece in chunk.tool_calls) == '{"a'
    assert chunks[-2].finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("pattern", "words", "fits"),
    [
        ("hello", "Hello", True),
        ("hello", "hello you", False),
        ("*", "", True),
        ("hello*", "HELLO you", True),
        ("*you", "hello you", True),
        ("h*l*o", "hello", True),
        ("h*l*l*l*o", "hello", False),
        ("ab*ba", "aba", False),
        ("*a*b*", "b then a", False),
        ("a.c", "abc", False),
    ],
)
def test_a_pattern_knows_only_the_asterisk(pattern: str, words: str, fits: bool) -> None:
    assert Rule(pattern=pattern).applies(words) is fits


def test_no_pattern_takes_long() -> None:
    rule = Rule(pattern="*a" * 499 + "*b")
    started = time.perf_counter()

    assert not rule.applies("a" * 100_000)

    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("What is 17*23?", "17*23 = 391."),
        ("Please compute (2 + 3) * 4 for me", "(2 + 3) * 4 = 20."),
        ("How much is 6 x 7", "6 * 7 = 42."),
        ("What is the square root of 144?", "sqrt(144) = 12."),
        ("What is 2*(3+4)) ?", "2*(3+4) = 14."),
    ],
)
async def test_the_persona_calculates_with_the_calculator(said: str, answer: str) -> None:
    assert (await converse(said, skills=[CalculatorSkill()])).text == answer


async def test_the_persona_reads_the_clock_where_it_is_asked_to() -> None:
    text = (await converse("What time is it in Asia/Tokyo?", skills=[ClockSkill()])).text

    assert text.startswith("It is 20")
    assert text.endswith("+09:00.")


async def test_the_persona_uses_several_tools_at_once() -> None:
    reply = await converse("What is 1+1 and what time is it?", skills=[CalculatorSkill(), ClockSkill()])

    assert reply.text.startswith("1+1 = 2. It is 20")


async def test_without_a_calculator_the_persona_does_not_pretend() -> None:
    assert await text_of("What is 17*23?") == "You said: What is 17*23?"


@pytest.mark.parametrize(
    ("said", "tool", "arguments"),
    [
        ("What is the weather in Paris?", function("get_weather", city={"type": "string"}), {"city": "Paris"}),
        ("weather for New York please", function("get_weather", location={"type": "string"}), {"location": "New York"}),
        ("Call get_weather now", function("get_weather", city={"type": "string"}), {"city": "Call get_weather now"}),
        ("Is Rome nice weather", function("get_weather", city={"type": "string"}), {"city": "Rome"}),
        ("Roll the dice 3 times", function("rollDice", count={"type": "integer"}), {"count": 3}),
        ('Note "milk" down', function("make_note", text={"type": "string"}), {"text": "milk"}),
        ("ping the server", function("ping"), {}),
        (
            "convert to celsius",
            function("convert", unit={"enum": ["kelvin", "celsius"]}, exact={"type": "boolean"}),
            {"unit": "celsius", "exact": True},
        ),
    ],
)
async def test_the_persona_calls_a_tool_that_is_asked_for(said: str, tool: Any, arguments: Any) -> None:
    assert await calls_of(said, tools=[tool]) == [(tool["function"]["name"], arguments)]


async def test_the_persona_calls_one_tool_at_a_time_when_told_to() -> None:
    tools = [function("get_weather", city={"type": "string"}), function("get_news", city={"type": "string"})]

    assert len(await calls_of("weather and news in Paris", tools=tools)) == 2
    assert len(await calls_of("weather and news in Paris", tools=tools, parallel_tool_calls=False)) == 1


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Count to 5", "1 2 3 4 5"),
        ("Say exactly: good night", "good night"),
        ("Hello there", "Hello! I am a scripted model"),
        ("", "I am listening."),
        ([{"role": "user", "content": [{"type": "text", "text": "count to 2"}, {"type": "image_url"}]}], "1 2"),
        ([{"role": "system", "content": "x"}], "I am listening."),
    ],
)
async def test_the_persona_makes_conversation(said: Any, answer: str) -> None:
    assert (await text_of(said)).startswith(answer)


async def test_arguments_that_were_no_json_do_not_trouble_the_persona() -> None:
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "calculate", "arguments": "{"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "Bad JSON"},
        {"role": "tool", "tool_call_id": "b", "content": "?"},
    ]

    assert await text_of(messages) == "calculate says: Bad JSON tool says: ?"


SCHEMAS: list[dict[str, Any]] = [
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    },
    {"type": "object", "properties": {"kind": {"const": "x"}, "of": {"enum": [1, 2]}}, "required": ["kind", "of"]},
    {"type": "array", "items": {"type": "number", "minimum": 5, "maximum": 6}, "minItems": 2},
    {"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}, {"type": "boolean"}]}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": ["null", "integer"], "exclusiveMinimum": 3}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": ["null"]}}, "required": ["a", "b"]},
    {"type": "string", "minLength": 30, "maxLength": 40},
    {"type": "string", "format": "date"},
    {
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {"next": {"$ref": "#/$defs/Node"}, "v": {"type": "integer"}},
                "required": ["v"],
            }
        },
        "$ref": "#/$defs/Node",
    },
    {"properties": {"place": {"type": "string"}}},
]


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_structured_output_fits_its_schema(schema: dict[str, Any]) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}

    answer = json.loads(await text_of("Something about 4 things in Riga", response_format=wanted))

    jsonschema.validate(answer, schema)


async def test_a_schema_without_end_is_cut_off() -> None:
    endless = {
        "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "required": ["n"]}},
        "$ref": "#/$defs/N",
    }

    assert await text_of("x", response_format={"type": "json_schema", "json_schema": {"schema": endless}})


async def test_json_mode_gives_an_object_and_text_mode_text() -> None:
    assert json.loads(await text_of("Count to 2", response_format={"type": "json_object"})) == {"reply": "1 2"}
    assert await text_of("Count to 2", response_format={"type": "text"}) == "1 2"


@pytest.mark.parametrize(("stop", "said"), [("c", "ab"), (["e", "d"], "abc"), ("z", "abcdef"), ("", "abcdef")])
async def test_it_stops_where_it_is_told_to(stop: Any, said: str) -> None:
    chunks = await chunks_of("x", {"text": "abcdef"}, options={"chunk_chars": 2}, stop=stop)

    assert "".join(chunk.text for chunk in chunks) == said


async def test_it_is_sure_of_what_it_says() -> None:
    chunks = await chunks_of("x", {"text": "Hi"}, logprobs=True, top_logprobs=1)

    assert chunks[0].logprobs is not None
    token = {"token": "Hi", "logprob": 0.0, "bytes": [72, 105]}
    assert chunks[0].logprobs["content"] == [{**token, "top_logprobs": [token]}]


@pytest.mark.parametrize(
    "parameters", [{"web_search_options": {}}, {"moderation": {"model": "m"}}, {"modalities": ["text", "audio"]}]
)
async def test_what_it_cannot_do_is_named(parameters: dict[str, Any]) -> None:
    with pytest.raises(ModelRejected) as raised:
        await chunks_of("x", **parameters)

    assert (raised.value.parameter, raised.value.code) == (next(iter(parameters)), "unsupported_parameter")


async def test_a_script_may_refuse_quote_and_speak() -> None:
    quote, sound = {"type": "url_citation"}, {"id": "a", "data": "AAAA"}

    chunks = await chunks_of("x", {"refusal": "No.", "annotations": [quote], "audio": sound}, modalities=["audio"])

    assert [chunk.refusal for chunk in chunks if chunk.refusal] == ["No."]
    assert [chunk.extras for chunk in chunks if chunk.extras] == [{"annotations": [quote], "audio": sound}]
