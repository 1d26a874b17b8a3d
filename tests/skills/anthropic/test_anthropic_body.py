"""A request of Chat Completions as the Messages API gets it."""

import base64
import json
from typing import Any

import pytest

from skills.anthropic.body import Style, body_of
from skills.anthropic.names import Names
from skills.anthropic.schemas import schema_asked
from skills.sdk import ModelRejected, ModelRequest, RunContext, testing

HELLO = {"role": "user", "content": "Hello."}
PNG = "data:image/png;base64,iVBORw0KGgo="
LOOK: dict[str, Any] = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {"at": {}}}},
}
CALLED: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}},
        {"id": "call:2", "type": "function", "function": {"name": "look", "arguments": "not json"}},
    ],
}
RESULTS: list[dict[str, Any]] = [
    {"role": "tool", "tool_call_id": "call_1", "content": "blue"},
    {"role": "tool", "tool_call_id": "call:2", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
]
THOUGHT = {"type": "thinking", "thinking": "Where to?", "signature": "c2ln"}


async def body(
    *messages: dict[str, Any],
    tools: tuple[dict[str, Any], ...] = (),
    max_tokens: int | None = 10_000,
    ctx: RunContext | None = None,
    thoughts: dict[str, Any] | None = None,
    style: dict[str, Any] | None = None,
    **parameters: Any,
) -> Any:
    request = ModelRequest(
        model="anthropic/claude-x", messages=messages or (HELLO,), tools=tools, parameters=parameters,
        max_output_tokens=max_tokens,
    )  # fmt: skip
    built = body_of(
        ctx or testing.context(),
        request,
        model="claude-x",
        names=Names(tool["function"]["name"] for tool in tools),
        thoughts=thoughts or {},
        style=Style(**{"thinking": "auto", "thinking_budget_tokens": 4_096, "cache": "off", **(style or {})}),
        schema=await schema_asked(parameters),
    )
    return json.loads(built)


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


async def test_the_plainest_request_holds_nothing_else() -> None:
    assert await body() == {
        "model": "claude-x",
        "max_tokens": 10_000,
        "messages": [{"role": "user", "content": [text("Hello.")]}],
        "stream": True,
    }


async def test_a_limit_is_always_sent() -> None:
    assert (await body(max_tokens=None))["max_tokens"] == 8_192


async def test_instructions_are_kept_apart_in_order_wherever_they_stand() -> None:
    sent = await body(
        {"role": "system", "content": "One."},
        HELLO,
        {"role": "developer", "content": [{"type": "text", "text": "Two."}, {"type": "text", "text": " "}]},
        {"role": "user", "content": "Go on."},
    )

    assert sent["system"] == [text("One."), text("Two.")]
    assert sent["messages"] == [{"role": "user", "content": [text("Hello."), text("Go on.")]}]


async def test_a_conversation_that_begins_elsewhere_is_given_a_beginning() -> None:
    sent = await body({"role": "system", "content": "Speak."}, {"role": "assistant", "content": "So far  "})

    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant"]
    assert sent["messages"][1]["content"] == [text("So far")]


async def test_calls_and_their_results_are_two_turns() -> None:
    sent = await body(HELLO, CALLED, *RESULTS, {"role": "user", "content": "And?"}, tools=(LOOK,))

    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
    first, second = sent["messages"][1]["content"]
    assert first == {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "sky"}}
    assert second["input"] == {"malformed_arguments": "not json"}
    one, other, said = sent["messages"][2]["content"]
    assert one == {"type": "tool_result", "tool_use_id": "call_1", "content": "blue"}
    assert other["tool_use_id"] == second["id"]
    assert other["content"][0]["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert said == text("And?")


async def test_ids_and_names_are_sent_in_the_form_that_is_taken() -> None:
    odd = {"type": "function", "function": {"name": "server.look/at it", "parameters": {}}}
    sent = await body(HELLO, CALLED, *RESULTS, tools=(odd,))

    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert set(sent["tools"][0]["name"]) <= allowed
    assert set(sent["messages"][1]["content"][1]["id"]) <= allowed
    assert Names(["server.look/at it"]).ours(sent["tools"][0]["name"]) == "server.look/at it"


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                "title": "a.pdf",
            },
        ),
        (
            {"type": "file", "file": {"file_data": f"data:text/plain;base64,{base64.b64encode(b'Hi').decode()}"}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}},
        ),
        (
            {"type": "text", "text": "Kept.", "cache_control": {"type": "ephemeral", "ttl": "1h", "odd": 1}},
            {"type": "text", "text": "Kept.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ),
        ({"type": "text", "text": "Kept.", "cache_control": {"type": "for ever"}}, text("Kept.")),
    ],
)
async def test_each_kind_of_part_has_its_block(part: dict[str, Any], block: dict[str, Any]) -> None:
    sent = await body({"role": "user", "content": [part]})

    assert sent["messages"][0]["content"] == [block]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,AAAA"}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}},
        {"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "data:image/png,raw"}},
    ],
)
async def test_what_cannot_be_shown_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(ModelRejected) as caught:
        await body({"role": "user", "content": [part]})

    assert caught.value.parameter == "messages"


async def test_a_schema_that_is_a_choice_becomes_one_object() -> None:
    one = {"type": "object", "properties": {"a": {"type": "string"}, "c": {}}, "required": ["a", "c"]}
    other = {"type": "object", "properties": {"b": {"type": "string"}, "c": {}}, "required": ["b", "c"]}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"oneOf": [one, other], "$schema": "x"}}}

    sent = await body(tools=(tool,))

    schema = sent["tools"][0]["input_schema"]
    assert schema["type"] == "object"
    assert set(schema["properties"]) == {"a", "b", "c"}
    assert schema["required"] == ["c"]
    assert not {"oneOf", "$schema"} & schema.keys()


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "look"}}, {"type": "tool", "name": "look"}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [LOOK]}}, None),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [LOOK]}}, {"type": "any"}),
    ],
)
async def test_every_choice_of_tools_is_kept(asked: Any, sent: Any) -> None:
    other = {"type": "function", "function": {"name": "other", "parameters": {}}}

    built = await body(tools=(LOOK, other), tool_choice=asked)

    assert built.get("tool_choice") == sent
    only_allowed = isinstance(asked, dict) and "allowed_tools" in asked
    assert [tool["name"] for tool in built["tools"]] == (["look"] if only_allowed else ["look", "other"])


async def test_one_call_at_a_time_is_asked_for() -> None:
    assert (await body(tools=(LOOK,), parallel_tool_calls=False))["tool_choice"] == {
        "type": "auto",
        "disable_parallel_tool_use": True,
    }
    assert "tool_choice" not in await body(parallel_tool_calls=False)


@pytest.mark.parametrize(
    ("parameters", "style", "thinking", "effort"),
    [
        ({}, {}, None, None),
        ({}, {"thinking": "off"}, {"type": "disabled"}, None),
        ({}, {"thinking": "adaptive"}, {"type": "adaptive"}, None),
        ({}, {"thinking": "budget"}, {"type": "enabled", "budget_tokens": 4_096}, None),
        ({"reasoning_effort": "high"}, {}, {"type": "adaptive"}, "high"),
        ({"reasoning_effort": "minimal"}, {}, {"type": "adaptive"}, "low"),
        ({"reasoning_effort": "none"}, {"thinking": "adaptive"}, {"type": "disabled"}, None),
        ({"reasoning_effort": "low"}, {"thinking": "budget"}, {"type": "enabled", "budget_tokens": 2_048}, None),
        ({"reasoning_effort": "xhigh"}, {"thinking": "budget"}, {"type": "enabled", "budget_tokens": 9_744}, None),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 3_000}},
            {},
            {"type": "enabled", "budget_tokens": 3_000},
            None,
        ),
        ({"thinking": {"type": "disabled"}}, {"thinking": "adaptive"}, {"type": "disabled"}, None),
    ],
)
async def test_thinking_is_what_the_request_asks_for_else_the_owner(
    parameters: dict[str, Any], style: dict[str, Any], thinking: Any, effort: Any
) -> None:
    sent = await body(style=style, **parameters)

    assert sent.get("thinking") == thinking
    assert sent.get("output_config", {}).get("effort") == effort


async def test_a_budget_that_does_not_fit_is_no_thinking() -> None:
    assert (await body(max_tokens=1_200, style={"thinking": "budget"}))["thinking"] == {"type": "disabled"}


async def test_who_has_to_use_a_tool_does_not_think() -> None:
    sent = await body(tools=(LOOK,), tool_choice="required", reasoning_effort="high")

    assert sent["thinking"] == {"type": "disabled"}


async def test_what_was_thought_before_calls_goes_back_as_it_came() -> None:
    sent = await body(
        HELLO, CALLED, *RESULTS, tools=(LOOK,), thoughts={"call_1": [THOUGHT]}, style={"thinking": "budget"}
    )

    assert sent["messages"][1]["content"][0] == THOUGHT
    assert sent["thinking"]["type"] == "enabled"


async def test_without_what_was_thought_a_budget_waits_for_the_next_turn() -> None:
    sent = await body(HELLO, CALLED, *RESULTS, tools=(LOOK,), style={"thinking": "budget"})

    assert sent["thinking"] == {"type": "disabled"}


async def test_an_owner_who_says_no_is_heard() -> None:
    with pytest.raises(ModelRejected) as caught:
        await body(style={"thinking": "off"}, reasoning_effort="high")

    assert (caught.value.parameter, caught.value.code) == ("reasoning_effort", "unsupported_parameter")


async def test_a_thinking_model_draws_words_in_its_own_way_and_the_caller_is_told() -> None:
    ctx = testing.context()

    sent = await body(ctx=ctx, temperature=0.5, top_k=40, reasoning_effort="low")

    assert not {"temperature", "top_k"} & sent.keys()
    assert ctx.ignored == {"temperature", "top_k"}


async def test_otherwise_sampling_is_sent() -> None:
    sent = await body(temperature=0.5, top_p=0.9, top_k=40, stop=["END", " "])

    assert (sent["temperature"], sent["top_p"], sent["top_k"]) == (0.5, 0.9, 40)
    assert sent["stop_sequences"] == ["END"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2), ("logprobs", True), ("top_logprobs", 2), ("seed", 1), ("presence_penalty", 0.5),
        ("frequency_penalty", 1), ("logit_bias", {"1": 5}), ("audio", {"voice": "x"}),
        ("prediction", {"type": "content"}), ("store", True), ("metadata", {"a": "b"}), ("web_search_options", {}),
        ("modalities", ["text", "audio"]),
        ("verbosity", "low"), ("prompt_cache_key", "k"), ("api_base", "http://x"),
    ],
)  # fmt: skip
async def test_what_these_models_do_not_take_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ModelRejected) as caught:
        await body(**{name: value})

    assert (caught.value.parameter, caught.value.code) == (name, "unsupported_parameter")


async def test_values_that_ask_for_what_is_done_anyway_pass() -> None:
    assert await body(n=1, presence_penalty=0, logprobs=False, store=False, modalities=["text"]) == await body()


async def test_a_temperature_beyond_the_scale_is_refused() -> None:
    with pytest.raises(ModelRejected) as caught:
        await body(temperature=1.5)

    assert (caught.value.parameter, caught.value.code) == ("temperature", "invalid_value")


async def test_an_answer_by_schema_is_asked_for_in_what_can_be_held_to() -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 3}}, "required": ["age"]}

    sent = await body(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})

    asked = sent["output_config"]["format"]
    assert asked["type"] == "json_schema"
    assert asked["schema"]["additionalProperties"] is False
    assert "minimum" not in asked["schema"]["properties"]["age"]
    assert "minimum: 3" in asked["schema"]["properties"]["age"]["description"]


async def test_a_schema_without_a_type_is_refused() -> None:
    schema = {"type": "object", "properties": {"a": {"format": "x"}}}

    with pytest.raises(ModelRejected) as caught:
        await body(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})

    assert caught.value.parameter == "response_format.json_schema.schema"


async def test_any_json_is_asked_for_in_words() -> None:
    sent = await body({"role": "system", "content": "Be kind."}, HELLO, response_format={"type": "json_object"})

    assert sent["system"][0] == text("Be kind.")
    assert "JSON" in sent["system"][1]["text"]


async def test_an_end_user_is_sent_under_a_name_that_says_nothing() -> None:
    sent = await body(user="ada@example.com")

    assert "ada" not in sent["metadata"]["user_id"]
    assert sent == await body(safety_identifier="ada@example.com")
    assert sent != await body(user="grace@example.com")


async def test_the_cache_ends_behind_the_instructions_else_the_tools() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}

    with_system = await body({"role": "system", "content": "S"}, HELLO, tools=(LOOK,), style={"cache": "1h"})
    without = await body(tools=(LOOK,), style={"cache": "1h"})

    assert with_system["system"][-1]["cache_control"] == mark
    assert "cache_control" not in with_system["tools"][-1]
    assert without["tools"][-1]["cache_control"] == mark
