"""The official SDK over a real socket against a real server: what it reads."""

import json
from typing import Any

import openai
import pytest

from tests.live.cast import Cast, ask, model_on
from tests.live.server import LiveServer

SKILLS = ["scripted", "openai", "anthropic", "litellm"]
LOOK: Any = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
}


@pytest.mark.parametrize("skill", SKILLS)
def test_a_whole_answer(live: LiveServer, cast: Cast, skill: str) -> None:
    address = cast.talker(skill)

    with cast.client(live.url) as client:
        answer = client.chat.completions.create(model=address, messages=ask("Hello there."))

    assert answer.choices[0].message.content == "Hello there."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == address
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0


@pytest.mark.parametrize("skill", SKILLS)
@pytest.mark.parametrize("with_usage", [False, True])
def test_a_streamed_answer(live: LiveServer, cast: Cast, skill: str, *, with_usage: bool) -> None:
    address = cast.talker(skill)
    options: Any = {"stream_options": {"include_usage": True}} if with_usage else {}

    with cast.client(live.url) as client:
        chunks = list(
            client.chat.completions.create(model=address, messages=ask("Hello there."), stream=True, **options)
        )

    assert "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices) == "Hello there."
    assert len({chunk.id for chunk in chunks}) == 1
    assert [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason] == ["stop"]
    usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
    assert len(usages) == (1 if with_usage else 0)


def test_the_stream_helper_reads_it(live: LiveServer, cast: Cast) -> None:
    with (
        cast.client(live.url) as client,
        client.chat.completions.stream(model=cast.talker("scripted"), messages=ask("Hello there.")) as stream,
    ):
        stream.until_done()
        completion = stream.get_final_completion()

    assert completion.choices[0].message.content == "Hello there."


@pytest.mark.parametrize("skill", ["openai", "anthropic", "litellm"])
def test_the_agents_calculator_is_used_inside_a_streamed_answer(live: LiveServer, cast: Cast, skill: str) -> None:
    address = cast.publish(model=model_on(skill, "tool-calculate"))

    with cast.client(live.url) as client:
        chunks = client.chat.completions.create(
            model=address, messages=ask('/tool-calculate {"expression": "17 * 23"}'), stream=True
        )
        text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)

    assert "391" in text


def test_the_persona_calculates_inside_a_streamed_answer(live: LiveServer, cast: Cast) -> None:
    address = cast.publish(model="scripted/persona")

    with cast.client(live.url) as client:
        chunks = list(client.chat.completions.create(model=address, messages=ask("What is 17 * 23?"), stream=True))

    assert "391" in "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
    assert not any(c.delta.tool_calls for chunk in chunks for c in chunk.choices)


@pytest.mark.parametrize("skill", ["openai", "anthropic", "litellm"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_tool_is_returned_answered_and_continued(
    live: LiveServer, cast: Cast, skill: str, *, streamed: bool
) -> None:
    address = cast.publish(model=model_on(skill, "echo"))
    conversation: list[Any] = [*ask('/tool-look {"at": "sky"}')]

    with cast.client(live.url) as client:
        message = _asked(client, address, conversation, streamed=streamed)
        call = message["tool_calls"][0]
        conversation += [message, {"role": "tool", "tool_call_id": call["id"], "content": "a bird"}]
        answer = client.chat.completions.create(model=address, messages=conversation, tools=[LOOK])

    assert call["function"]["name"] == "look"
    assert json.loads(call["function"]["arguments"]) == {"at": "sky"}
    assert "a bird" in (answer.choices[0].message.content or "")


@pytest.mark.parametrize("skill", ["openai", "anthropic", "litellm"])
def test_in_a_mixed_turn_only_the_clients_call_comes_back(live: LiveServer, cast: Cast, skill: str) -> None:
    address = cast.publish(model=model_on(skill, "echo"))
    orders = '/tools-calculate+look [{"expression": "6 * 7"}, {"at": "sky"}]'
    conversation: list[Any] = [*ask(orders)]

    with cast.client(live.url) as client:
        message = _asked(client, address, conversation, streamed=True)
        conversation += [
            message,
            {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "a bird"},
        ]
        answer = client.chat.completions.create(model=address, messages=conversation, tools=[LOOK])

    assert [call["function"]["name"] for call in message["tool_calls"]] == ["look"]
    content = answer.choices[0].message.content or ""
    assert "42" in content
    assert "a bird" in content


def test_models_are_listed_and_found(live: LiveServer, cast: Cast) -> None:
    address = cast.talker("scripted")

    with cast.client(live.url) as client:
        listed = {model.id for model in client.models.list()}
        found = client.models.retrieve(address)

    assert address in listed
    assert (found.id, found.owned_by) == (address, cast.acme.slug)


def test_an_agents_own_address_is_a_base_url(live: LiveServer, cast: Cast) -> None:
    address = cast.talker("scripted")

    with openai.OpenAI(base_url=f"{live.url}/{address}", api_key=cast.globex_key) as client:
        answer = client.chat.completions.create(model="whatever", messages=ask("Hello there."))

    assert answer.model == address


@pytest.mark.parametrize("skill", ["openai", "anthropic", "litellm"])
@pytest.mark.parametrize("order", ["fault-nousage", "usage-empty-choices", "usage-repeated"])
def test_usage_is_known_however_the_upstream_tells_it(live: LiveServer, cast: Cast, skill: str, order: str) -> None:
    address = cast.publish(model=model_on(skill, order))

    with cast.client(live.url) as client:
        answer = client.chat.completions.create(model=address, messages=ask("hi"))

    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def _asked(client: openai.OpenAI, address: str, messages: list[Any], *, streamed: bool) -> dict[str, Any]:
    """The assistant's message that calls the client's tool, as a client would send it back."""
    if not streamed:
        answer = client.chat.completions.create(model=address, messages=messages, tools=[LOOK])
        assert answer.choices[0].finish_reason == "tool_calls"
        return answer.choices[0].message.model_dump(exclude_none=True)
    with client.chat.completions.stream(model=address, messages=messages, tools=[LOOK]) as stream:
        choice = stream.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    message = choice.message.model_dump(exclude_none=True, exclude={"parsed"})
    for call in message["tool_calls"]:
        call["function"].pop("parsed_arguments", None)
        call.pop("index", None)
    return message
