"""What the persona calls when the client says what it may, must or must not call."""

import pytest

from tests.skills.test_scripted import calls_of, function


async def test_the_persona_obeys_tool_choice() -> None:
    tools = [function("first", a={"type": "string"}), function("get_weather", city={"type": "string"})]
    said = "weather in Paris"
    named = {"type": "function", "function": {"name": "first"}}

    assert await calls_of(said, tools=tools, tool_choice="none") == []
    assert [name for name, _ in await calls_of(said, tools=tools, tool_choice=named)] == ["first"]
    assert [name for name, _ in await calls_of("hm", tools=tools, tool_choice="required")] == ["get_weather"]
    assert await calls_of("hm", tools=tools, tool_choice={"type": "function", "function": {"name": "none"}}) == []


async def test_the_persona_calls_something_else_when_a_call_is_demanded_again() -> None:
    tools = [function("get_weather", city={"type": "string"}), function("first", a={"type": "string"})]
    called = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    conversation = [
        {"role": "user", "content": "weather in Paris"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain."},
    ]

    assert await calls_of(conversation, tools=tools) == []
    assert [name for name, _ in await calls_of(conversation, tools=tools, tool_choice="required")] == ["first"]


@pytest.mark.parametrize(("mode", "called"), [("auto", []), ("required", ["first"])])
async def test_the_persona_calls_only_what_is_allowed(mode: str, called: list[str]) -> None:
    tools = [function("get_weather", city={"type": "string"}), function("first", a={"type": "string"})]
    only_first = {"mode": mode, "tools": [{"type": "function", "function": {"name": "first"}}]}

    found = await calls_of(
        "weather in Paris", tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": only_first}
    )

    assert [name for name, _ in found] == called
