"""What a request may say, and how it is told when it may not."""

from typing import Any

import pytest

from tests.api.asking import HELLO, decode, problem, refused

STRICT = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def test_a_plain_request_has_defaults() -> None:
    completion = decode(model="greeter")

    assert completion.model == "greeter"
    assert completion.messages == HELLO
    assert not completion.stream
    assert completion.parameters == {}
    assert completion.max_output_tokens is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.5),
        ("top_p", 1),
        ("n", 2),
        ("stop", "end"),
        ("stop", ["a", "b"]),
        ("presence_penalty", -2),
        ("frequency_penalty", 2),
        ("logit_bias", {"50256": -100}),
        ("logprobs", True),
        ("seed", 7),
        ("reasoning_effort", "minimal"),
        ("verbosity", "low"),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("prediction", {"type": "content", "content": "as before"}),
        ("service_tier", "auto"),
        ("store", False),
        ("metadata", {"ticket": "42"}),
        ("user", "somebody"),
        ("safety_identifier", "somebody"),
        ("prompt_cache_key", "k"),
        ("parallel_tool_calls", False),
        ("web_search_options", {"search_context_size": "low"}),
        ("response_format", {"type": "json_object"}),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "x", "schema": STRICT, "strict": True}},
        ),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "x"}}),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "x", "schema": {"oneOf": []}, "strict": False}},
        ),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "look"}}),
        (
            "tool_choice",
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "look"}}]},
            },
        ),
    ],
)
def test_a_documented_parameter_reaches_the_model_as_sent(name: str, value: Any) -> None:
    assert decode(**{name: value}).parameters == {name: value}


@pytest.mark.parametrize("name", ["temperature", "tools", "tool_choice", "function_call", "user", "stream", "model"])
def test_null_is_the_same_as_absent(name: str) -> None:
    assert decode(**{name: None}).parameters in ({}, {"parallel_tool_calls": False})


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"temperature": 2.01}, "invalid_value", "temperature"),
        ({"temperature": -1}, "invalid_value", "temperature"),
        ({"temperature": "hot"}, "invalid_type", "temperature"),
        ({"temperature": True}, "invalid_type", "temperature"),
        ({"top_p": 1.1}, "invalid_value", "top_p"),
        ({"n": 0}, "invalid_value", "n"),
        ({"n": 129}, "invalid_value", "n"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"max_completion_tokens": -5}, "invalid_value", "max_completion_tokens"),
        ({"max_tokens": 10**12}, "invalid_value", "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "invalid_value", "max_tokens"),
        ({"top_logprobs": 21}, "invalid_value", "top_logprobs"),
        ({"top_logprobs": 2}, "invalid_value", "top_logprobs"),
        ({"seed": 2**70}, "invalid_value", "seed"),
        ({"seed": 2**53 + 1}, "invalid_value", "seed"),
        ({"presence_penalty": 3}, "invalid_value", "presence_penalty"),
        ({"stop": ["a"] * 5}, "invalid_value", "stop"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "invalid_value", "metadata"),
        ({"metadata": {"a": 1}}, "invalid_type", "metadata[...]"),
        ({"metadata": {"a": "x" * 513}}, "string_above_max_length", "metadata[...]"),
        ({"logit_bias": {str(n): 1 for n in range(5000)}}, "invalid_value", "logit_bias"),
        ({"stream": "yes"}, "invalid_type", "stream"),
        ({"stream_options": {"include_usage": True}}, "invalid_value", "stream_options"),
        ({"response_format": {"type": "yaml"}}, "invalid_value", "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "missing_required_parameter", "response_format.json_schema"),
        ({"audio": {"voice": "alloy"}}, "missing_required_parameter", "audio.format"),
        ({"web_search_options": {"x": 1}}, "unknown_parameter", "web_search_options.x"),
        ({"tools": {}}, "invalid_type", "tools"),
        ({"tool_choice": "maybe"}, "invalid_value", "tool_choice"),
        ({"tool_choice": 5}, "invalid_type", "tool_choice"),
        ({"tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "unsupported_parameter", "tool_choice.type"),
        ({"function_call": "maybe"}, "invalid_value", "function_call"),
        ({"user": "x" * 513}, "string_above_max_length", "user"),
        ({"model": "x" * 257}, "string_above_max_length", "model"),
    ],
)
def test_a_parameter_out_of_range_is_named(fields: dict[str, Any], code: str, param: str) -> None:
    assert refused(**fields) == (code, param)


@pytest.mark.parametrize(
    ("schema", "code"), [(None, "missing_required_parameter"), ({}, "invalid_value"), ([], "invalid_type")]
)
def test_a_strict_schema_is_one_that_models_can_be_held_to(schema: Any, code: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}

    assert refused(response_format=form) == (code, "response_format.json_schema.schema")


@pytest.mark.parametrize(
    "name",
    [
        "api_base", "api_key", "base_url", "mock_response", "extra_headers", "extra_body", "headers",
        "custom_llm_provider", "callbacks",
        "cache", "fallbacks", "input_cost_per_token", "chat_template", "num_retries", "temperatur",
    ],
)  # fmt: skip
def test_what_steers_the_platform_or_is_unknown_is_refused(name: str) -> None:
    assert refused(**{name: "http://attacker"}) == ("unknown_parameter", name)


def test_what_clients_send_to_everyone_goes_to_models_that_take_it() -> None:
    sent = {"top_k": 4, "min_p": 0.1, "chat_template_kwargs": {"thinking": {"deep": [1]}}}

    completion = decode(**sent, think=None)

    assert completion.parameters == sent
    assert completion.ignored == ()


def test_what_costs_more_than_a_run_counts_is_ignored_and_named() -> None:
    completion = decode(best_of=20, num_predict=-1)

    assert completion.parameters == {}
    assert completion.ignored == ("best_of", "num_predict")


def test_a_field_of_a_vendor_has_a_size() -> None:
    assert refused(guided_json={"enum": ["x" * 300_000]}) == ("invalid_value", "guided_json")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"", "invalid_json", None),
        (b'{"model":', "invalid_json", None),
        (b"[]", "invalid_type", None),
        (b'"text"', "invalid_type", None),
        (b'{"messages":[]} trailing', "invalid_json", None),
        (b'{"user":"\xff"}', "invalid_json", None),
        (b"\xef\xbb\xbf{}", "invalid_json", None),
        (b'{"messages":' + b"[" * 100_000, "invalid_json", None),
        (b'{"messages":' + b"[" * 65 + b"]" * 65 + b"}", "invalid_json", None),
        (b'{"metadata":{"a":"' + b'\\"[' * 80 + b'"},"messages":' + b"[" * 65 + b"]" * 65 + b"}", "invalid_json", None),
        (b'{"model":"a","model":"b"}', "invalid_json", None),
        (b'{ "model" : "a" , "user":"x", "model": {"b":1}}', "invalid_json", None),
        (b'{"temperature": NaN}', "invalid_value", "temperature"),
        (b'{"temperature": -Infinity}', "invalid_value", "temperature"),
        (b'{"logit_bias": {"a": NaN}}', "invalid_value", "logit_bias"),
        (b'{"temperature": NaN, "x"', "invalid_value", None),
        (b'{"messages":[{"role":"user","content":"x"}],"temperature":1e999}', "invalid_value", "temperature"),
        (b'{"max_tokens":' + b"1" * 5000 + b"}", "invalid_json", None),
        (b'{"max_tokens":' + b"1" * 100 + b"}", "invalid_value", "max_tokens"),
        (b'{"messages":[{"role":"user","content":"a","content":"b"}]}', "invalid_json", None),
        (b'{"messages":[{"role":"user","content":"a","c\\u006fntent":"b"}]}', "invalid_json", None),
        (
            b'{"tools":[{"type":"function","function":{"name":"a","parameters":{"a":1,"b":{"a":":","a":2}}}}]}',
            "invalid_json",
            None,
        ),
        (b'{"user":"a\\ud800"}', "invalid_value", "user"),
        (b'{"user":"a\\udc00b"}', "invalid_value", "user"),
        (b'{"user":"a\\u0000"}', "invalid_value", "user"),
        (b"{}", "missing_required_parameter", "messages"),
    ],
)
def test_what_is_no_honest_json_is_refused(body: bytes, code: str, param: str | None) -> None:
    assert problem(body) == (code, param)


@pytest.mark.parametrize(
    "content",
    [
        "\\u0000",
        "1234567890123456789",
        "a\n",
        'say "a": b\\',
        '\\\\": "',
        "a\\",
        ":",
        '":',
        '{"a": 1, "a": 2}',
        "\\ud83d\\ude00",
        '"user" "model"',
        "[" * 100,
        "{[",
        'a\\\\"',
        "\u2028é😀",
    ],
)
def test_text_may_say_what_json_may_not(content: str) -> None:
    completion = decode(messages=[{"role": "user", "content": content}] * 40, user="x", model="user")

    assert completion.messages[0]["content"] == content


def test_long_fractions_are_no_large_integers() -> None:
    assert decode(temperature=0.12345678901234567).parameters == {"temperature": 0.12345678901234567}


def test_depth_within_the_limit_is_accepted() -> None:
    schema: dict[str, Any] = {}
    for _ in range(58):
        schema = {"properties": schema}

    completion = decode(tools=[{"type": "function", "function": {"name": "look", "parameters": schema}}])

    assert completion.tools[0]["function"]["parameters"] == schema


# --- tools ------------------------------------------------------------------------------------------------------------


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}, "strict": True}}


def test_tools_are_taken_as_sent() -> None:
    tools = [tool("look"), {"type": "function", "function": {"name": "go", "description": "Go."}}]

    assert list(decode(tools=tools).tools) == tools


@pytest.mark.parametrize(
    ("tools", "code", "param"),
    [
        ([tool(f"t{n}") for n in range(129)], "invalid_value", "tools"),
        ([tool("a b")], "invalid_value", "tools[0].function.name"),
        ([tool("x" * 65)], "string_above_max_length", "tools[0].function.name"),
        ([tool("look"), tool("look")], "invalid_value", "tools"),
        ([{"type": "custom", "custom": {"name": "x"}}], "unsupported_parameter", "tools[0].type"),
        ([{"type": "function"}], "missing_required_parameter", "tools[0].function"),
        ([{"type": "function", "function": {"name": "a", "parameters": {"maximum": 2**63}}}], "invalid_value", "tools"),
    ],
)
def test_a_wrong_tool_is_named(tools: Any, code: str, param: str) -> None:
    assert refused(tools=tools) == (code, param)


def test_legacy_functions_become_tools() -> None:
    completion = decode(functions=[{"name": "look"}], function_call={"name": "look"})

    assert completion.legacy
    assert completion.tools == ({"type": "function", "function": {"name": "look"}},)
    assert completion.parameters == {
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": False,
    }


def test_legacy_messages_become_calls_and_results() -> None:
    completion = decode(
        functions=[{"name": "look"}],
        function_call="auto",
        messages=[
            *HELLO,
            {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
            {"role": "function", "name": "look", "content": "42"},
        ],
    )

    call = completion.messages[1]["tool_calls"][0]
    assert call["function"] == {"name": "look", "arguments": "{}"}
    assert completion.messages[2] == {"role": "tool", "tool_call_id": call["id"], "content": "42"}
    assert completion.parameters["tool_choice"] == "auto"


def test_both_forms_of_tools_at_once_are_refused() -> None:
    assert refused(functions=[{"name": "look"}], tools=[tool("look")]) == ("invalid_value", "functions")


def test_cache_marks_are_kept_for_models_that_know_them() -> None:
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    part = {"type": "text", "text": "hi"}

    completion = decode(
        tools=[{**tool("look"), **mark}],
        messages=[
            {"role": "user", "content": [{**part, **mark}]},
            {"role": "user", "content": "hi", **mark},
            {"role": "user", "content": [part, part], **mark},
        ],
    )

    assert completion.tools == ({**tool("look"), **mark},)
    assert [message["content"] for message in completion.messages] == [
        [{**part, **mark}], [{**part, **mark}], [part, {**part, **mark}],
    ]  # fmt: skip
    assert completion.ignored == ()


def test_custom_tools_among_the_allowed_are_refused() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "custom"}]}}

    assert refused(tool_choice=choice) == ("unsupported_parameter", "tool_choice.allowed_tools.tools")


def test_the_end_user_is_the_safety_identifier_first() -> None:
    assert decode(user="a").end_user == "a"
    assert decode(user="a", safety_identifier="b").end_user == "b"


def test_either_name_limits_the_output() -> None:
    assert decode(max_tokens=5).max_output_tokens == 5
    assert decode(max_completion_tokens=6).max_output_tokens == 6
    assert decode(max_tokens=7, max_completion_tokens=7).max_output_tokens == 7


def test_stream_options_are_read() -> None:
    completion = decode(stream=True, stream_options={"include_usage": True, "include_obfuscation": True})

    assert (completion.stream, completion.include_usage, completion.obfuscate) == (True, True, True)
