"""The official SDK's helpers that turn an answer into Python objects: `.parse()`, `.stream()` and tools of pydantic."""

import json
from enum import StrEnum
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from tests.live.cast import Cast, ask
from tests.live.server import LiveServer


class Mood(StrEnum):
    HAPPY = "happy"
    GLOOMY = "gloomy"


class Place(BaseModel):
    city: str
    country: str | None


class Letter(BaseModel):
    """Write a letter."""

    subject: str
    mood: Mood
    stops: list[Place]
    pages: int


class Weather(BaseModel):
    """Tell the weather somewhere."""

    city: str


ABOUT: list[ChatCompletionMessageParam] = ask('Write a gloomy letter of 3 pages about "rain" in Riga.')


def test_an_answer_is_parsed_into_a_model(live: LiveServer, cast: Cast, persona: str) -> None:
    with cast.client(live.url) as client:
        answer = client.chat.completions.parse(model=persona, messages=ABOUT, response_format=Letter)

    letter = answer.choices[0].message.parsed
    assert letter is not None
    assert (letter.subject, letter.mood, letter.pages) == ("rain", Mood.GLOOMY, 3)
    assert letter.stops[0].city == "Riga"


def test_a_streamed_answer_is_parsed_as_it_grows(live: LiveServer, cast: Cast, persona: str) -> None:
    with (
        cast.client(live.url) as client,
        client.chat.completions.stream(
            model=persona, messages=ABOUT, response_format=Letter, stream_options={"include_usage": True}
        ) as stream,
    ):
        events = list(stream)
        completion = stream.get_final_completion()

    deltas = [event for event in events if event.type == "content.delta"]
    done = [event for event in events if event.type == "content.done"]
    assert len(deltas) > 1
    assert "".join(event.delta for event in deltas) == done[0].content == deltas[-1].snapshot
    assert done[0].parsed == completion.choices[0].message.parsed
    assert completion.choices[0].message.parsed is not None
    assert completion.usage is not None


def test_an_answer_that_was_cut_is_not_parsed(live: LiveServer, cast: Cast, persona: str) -> None:
    with cast.client(live.url) as client, pytest.raises(openai.LengthFinishReasonError) as caught:
        client.chat.completions.parse(model=persona, messages=ABOUT, response_format=Letter, max_completion_tokens=2)

    assert caught.value.completion.usage is not None


@pytest.mark.parametrize("streamed", [False, True])
def test_the_arguments_of_a_tool_are_parsed(live: LiveServer, cast: Cast, persona: str, *, streamed: bool) -> None:
    asked: Any = {
        "model": persona,
        "messages": ask("What is the weather in Riga?"),
        "tools": [openai.pydantic_function_tool(Weather)],
    }

    with cast.client(live.url) as client:
        if streamed:
            with client.chat.completions.stream(**asked) as stream:
                kinds = [event.type for event in stream]
                message: Any = stream.get_final_completion().choices[0].message
            assert "tool_calls.function.arguments.delta" in kinds
            assert kinds.count("tool_calls.function.arguments.done") == 1
        else:
            message = client.chat.completions.parse(**asked).choices[0].message

    assert not message.content
    assert message.tool_calls[0].function.parsed_arguments == Weather(city="Riga")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_parsed_message_goes_back_as_it_came(live: LiveServer, cast: Cast, persona: str, *, streamed: bool) -> None:
    asked: Any = {"model": persona, "tools": [openai.pydantic_function_tool(Weather)]}
    conversation: list[Any] = [*ask("What is the weather in Riga?")]

    with cast.client(live.url) as client:
        if streamed:
            with client.chat.completions.stream(messages=conversation, **asked) as stream:
                message: Any = stream.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.parse(messages=conversation, **asked).choices[0].message
        conversation += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Rain."}]
        answer = client.chat.completions.create(messages=conversation, **asked)

    assert "Rain." in str(answer.choices[0].message.content)


@pytest.mark.parametrize("streamed", [False, True])
def test_any_json_is_an_object(live: LiveServer, cast: Cast, persona: str, *, streamed: bool) -> None:
    asked: Any = {"model": persona, "messages": ask("Reply in JSON."), "response_format": {"type": "json_object"}}

    with cast.client(live.url) as client:
        if streamed:
            chunks = client.chat.completions.create(**asked, stream=True)
            content = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
        else:
            content = client.chat.completions.create(**asked).choices[0].message.content

    assert isinstance(json.loads(content), dict)


async def test_the_asynchronous_helpers_parse_too(live: LiveServer, cast: Cast, persona: str) -> None:
    async with cast.async_client(live.url) as client:
        whole = await client.chat.completions.parse(model=persona, messages=ABOUT, response_format=Letter)
        async with client.chat.completions.stream(model=persona, messages=ABOUT, response_format=Letter) as stream:
            streamed = await stream.get_final_completion()

    assert whole.choices[0].message.parsed == streamed.choices[0].message.parsed
    assert isinstance(whole.choices[0].message.parsed, Letter)
