"""The newest official Python SDK, which is not the one we are built with."""

import asyncio
import json

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel
from seat import Seat


class Trip(BaseModel):
    """A trip somewhere."""

    city: str
    days: int


def ask(words: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": words}]


def client(seat: Seat, **options: object) -> OpenAI:
    return OpenAI(**{"base_url": seat.url, "api_key": seat.key, "max_retries": 0, **options})


def test_a_whole_answer(seat: Seat) -> None:
    answer = client(seat).chat.completions.create(model=seat.persona, messages=ask("Say cheese"))

    assert answer.choices[0].message.content == "cheese"
    assert answer.usage.total_tokens > 0


def test_a_streamed_answer_with_usage(seat: Seat) -> None:
    chunks = list(
        client(seat).chat.completions.create(
            model=seat.persona, messages=ask("Count to 30"), stream=True, stream_options={"include_usage": True}
        )
    )

    assert "29 30" in "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
    assert chunks[-1].usage.completion_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_is_parsed(seat: Seat, *, streamed: bool) -> None:
    asked = {"model": seat.persona, "messages": ask("A trip of 3 days to Riga"), "response_format": Trip}
    if streamed:
        with client(seat).chat.completions.stream(**asked) as stream:
            answer = stream.get_final_completion()
    else:
        answer = client(seat).chat.completions.parse(**asked)

    assert answer.choices[0].message.parsed == Trip(city="Riga", days=3)


def test_a_tool_is_called_and_answered(seat: Seat) -> None:
    asked = {"model": seat.persona, "tools": [openai.pydantic_function_tool(Trip, name="book_trip")]}
    conversation = ask("Please book a trip of 3 days to Riga.")
    first = client(seat).chat.completions.parse(messages=conversation, **asked).choices[0].message
    call = first.tool_calls[0]
    conversation += [first, {"role": "tool", "tool_call_id": call.id, "content": "Booked."}]

    answer = client(seat).chat.completions.create(messages=conversation, **asked)

    assert call.function.parsed_arguments == Trip(city="Riga", days=3)
    assert json.loads(call.function.arguments) == {"city": "Riga", "days": 3}
    assert "Booked." in answer.choices[0].message.content


def test_strict_validation_finds_nothing(seat: Seat) -> None:
    strict = client(seat, _strict_response_validation=True)

    assert list(strict.models.list())
    assert strict.models.retrieve(seat.persona).id == seat.persona
    assert strict.chat.completions.create(model=seat.persona, messages=ask("hi"), n=2).choices[1].message.content


def test_a_raw_response_has_its_headers(seat: Seat) -> None:
    raw = client(seat).chat.completions.with_raw_response.create(model=seat.persona, messages=ask("hi"))

    assert raw.request_id == raw.parse()._request_id
    assert raw.headers["x-robutler-run-id"]


def test_errors(seat: Seat) -> None:
    def create(name: str = "", **options: object) -> None:
        client(seat, **options).chat.completions.create(model=name or seat.persona, messages=ask("hi"))

    with pytest.raises(openai.AuthenticationError):
        create(api_key=seat.wrong_key)
    with pytest.raises(openai.NotFoundError):
        create("nobody")
    with pytest.raises(openai.RateLimitError):
        create(seat.crowded)
    with pytest.raises(openai.APIStatusError) as poor:
        create(api_key=seat.poor_key, max_retries=5)
    with pytest.raises(openai.BadRequestError) as bad:
        client(seat).chat.completions.create(model=seat.persona, messages=ask("hi"), temperature=3)

    assert poor.value.status_code == 402
    assert (bad.value.code, bad.value.param) == ("invalid_value", "temperature")


def test_a_stream_that_breaks_raises(seat: Seat) -> None:
    with pytest.raises(openai.APIError) as caught:
        list(client(seat).chat.completions.create(model=seat.broken, messages=ask("hi"), stream=True))

    assert caught.value.code == "upstream_failed"


async def test_leaving_in_the_middle(seat: Seat) -> None:
    async with AsyncOpenAI(base_url=seat.url, api_key=seat.key) as client:
        stream = await client.chat.completions.create(model=seat.slow, messages=ask("go"), stream=True)
        async with asyncio.timeout(30), stream:
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
