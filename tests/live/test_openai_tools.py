"""The client's own tools through the official SDK: chosen, forced, several at once, and in their legacy form."""

import json
from typing import Any

import pytest

from tests.live.cast import Cast, ask
from tests.live.server import LiveServer

WHERE: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": WHERE}}
POPULATION: Any = {"type": "function", "function": {"name": "population", "parameters": WHERE}}
ABOUT = "What are the weather and the population in Riga?"


def named(name: str) -> Any:
    return {"type": "function", "function": {"name": name}}


@pytest.mark.parametrize("streamed", [False, True])
def test_several_tools_are_called_at_once_and_answered(
    live: LiveServer, cast: Cast, persona: str, *, streamed: bool
) -> None:
    asked: Any = {"model": persona, "tools": [WEATHER, POPULATION]}
    conversation: list[Any] = [*ask(ABOUT)]

    with cast.client(live.url) as client:
        if streamed:
            with client.chat.completions.stream(messages=conversation, **asked) as stream:
                choice: Any = stream.get_final_completion().choices[0]
        else:
            choice = client.chat.completions.create(messages=conversation, **asked).choices[0]
        calls = [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls]
        conversation.append(
            {
                "role": "assistant",
                "content": choice.message.content,
                "tool_calls": [
                    {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
                    for id, name, arguments in calls
                ],
            }
        )
        conversation += [{"role": "tool", "tool_call_id": id, "content": f"{name}: fine"} for id, name, _ in calls]
        answer = client.chat.completions.create(messages=conversation, **asked)

    assert choice.finish_reason == "tool_calls"
    assert [(name, json.loads(arguments)) for _, name, arguments in calls] == [
        ("weather", {"city": "Riga"}),
        ("population", {"city": "Riga"}),
    ]
    assert len({id for id, _, _ in calls}) == 2
    assert "weather: fine" in str(answer.choices[0].message.content)
    assert "population: fine" in str(answer.choices[0].message.content)


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", {"weather", "population"}),
        ("none", set()),
        ("required", {"weather", "population"}),
        (named("population"), {"population"}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named("weather")]}}, {"weather"}),
    ],
)
def test_the_client_chooses_what_may_be_called(
    live: LiveServer, cast: Cast, persona: str, choice: Any, called: set[str]
) -> None:
    with cast.client(live.url) as client:
        answer = client.chat.completions.create(
            model=persona, messages=ask(ABOUT), tools=[WEATHER, POPULATION], tool_choice=choice
        )

    calls: Any = answer.choices[0].message.tool_calls or ()
    assert {call.function.name for call in calls} == called


def test_a_demand_is_not_met_by_the_agents_own_tools(live: LiveServer, cast: Cast, persona: str) -> None:
    with cast.client(live.url) as client:
        answer = client.chat.completions.create(
            model=persona, messages=ask("What is 17 * 23?"), tools=[WEATHER], tool_choice="required"
        )

    calls: Any = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["weather"]
    assert answer.choices[0].finish_reason == "tool_calls"


def test_one_call_at_a_time_when_the_client_wants_that(live: LiveServer, cast: Cast, persona: str) -> None:
    with cast.client(live.url) as client:
        answer = client.chat.completions.create(
            model=persona, messages=ask(ABOUT), tools=[WEATHER, POPULATION], parallel_tool_calls=False
        )

    assert len(answer.choices[0].message.tool_calls or ()) == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_a_legacy_client_calls_functions(live: LiveServer, cast: Cast, persona: str, *, streamed: bool) -> None:
    asked: Any = {"model": persona, "functions": [{"name": "weather", "parameters": WHERE}]}
    conversation: list[Any] = [*ask(ABOUT)]
    name = arguments = ""

    with cast.client(live.url) as client:
        if streamed:
            chunks = list(client.chat.completions.create(messages=conversation, stream=True, **asked))
            pieces = [c.delta.function_call for chunk in chunks for c in chunk.choices if c.delta.function_call]
            name = "".join(piece.name or "" for piece in pieces)
            arguments = "".join(piece.arguments or "" for piece in pieces)
            reasons = {c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason}
        else:
            choice: Any = client.chat.completions.create(messages=conversation, **asked).choices[0]
            name, arguments = choice.message.function_call.name, choice.message.function_call.arguments
            reasons = {choice.finish_reason}
        conversation += [
            {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": arguments}},
            {"role": "function", "name": name, "content": "Rain."},
        ]
        answer = client.chat.completions.create(messages=conversation, **asked)

    assert reasons == {"function_call"}
    assert (name, json.loads(arguments)) == ("weather", {"city": "Riga"})
    assert "Rain." in str(answer.choices[0].message.content)


def test_a_legacy_client_forces_its_function(live: LiveServer, cast: Cast, persona: str) -> None:
    with cast.client(live.url) as client:
        answer = client.chat.completions.create(
            model=persona,
            messages=ask("Anything."),
            functions=[{"name": "weather", "parameters": WHERE}],
            function_call={"name": "weather"},
        )

    assert answer.choices[0].message.function_call is not None
