"""LiteLLM as a client: its `openai/` provider with our address, and the errors it makes of ours."""

import json

import litellm
import pytest
from pydantic import BaseModel
from seat import Seat

litellm.telemetry = False


class Trip(BaseModel):
    """A trip somewhere."""

    city: str
    days: int


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
POPULATION = {"type": "function", "function": {**WEATHER["function"], "name": "population"}}


def asked(seat: Seat, words: str, name: str = "", **options: object) -> dict[str, object]:
    return {
        "model": f"openai/{name or seat.persona}",
        "api_base": seat.url,
        "api_key": seat.key,
        "messages": [{"role": "user", "content": words}],
        "num_retries": 0,
        "max_retries": 0,
        **options,
    }


def test_a_whole_answer(seat: Seat) -> None:
    answer = litellm.completion(**asked(seat, "Say cheese"))

    assert answer.choices[0].message.content == "cheese"
    assert answer.usage.total_tokens > 0


async def test_an_asynchronous_answer(seat: Seat) -> None:
    answer = await litellm.acompletion(**asked(seat, "Say cheese"))

    assert answer.choices[0].message.content == "cheese"


def test_a_streamed_answer_with_usage(seat: Seat) -> None:
    chunks = list(litellm.completion(**asked(seat, "Count to 30", stream=True, stream_options={"include_usage": True})))

    whole = litellm.stream_chunk_builder(chunks)
    assert whole.choices[0].message.content.endswith("29 30")
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.completion_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_are_called_and_answered(seat: Seat, *, streamed: bool) -> None:
    request = asked(seat, "Weather and population of Riga?", tools=[WEATHER, POPULATION])
    first = litellm.completion(**request, stream=streamed)
    if streamed:
        first = litellm.stream_chunk_builder(list(first))
    message = first.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name}: fine"}
        for call in message.tool_calls
    ]
    conversation = [*request["messages"], message.model_dump(exclude_none=True), *results]

    answer = litellm.completion(**{**request, "messages": conversation})

    assert [json.loads(call.function.arguments) for call in message.tool_calls] == [{"city": "Riga"}] * 2
    assert "weather: fine" in answer.choices[0].message.content
    assert "population: fine" in answer.choices[0].message.content


def test_structured_output(seat: Seat) -> None:
    answer = litellm.completion(**asked(seat, "A trip of 3 days to Riga.", response_format=Trip))

    assert Trip.model_validate_json(answer.choices[0].message.content) == Trip(city="Riga", days=3)


def test_fields_of_others_are_ignored(seat: Seat) -> None:
    answer = litellm.completion(**asked(seat, "Say cheese", extra_body={"top_k": 5, "min_p": 0.1}))

    assert answer.choices[0].message.content == "cheese"


def test_fields_that_steer_the_platform_are_refused(seat: Seat) -> None:
    with pytest.raises(litellm.BadRequestError, match="mock_response"):
        litellm.completion(**asked(seat, "Say cheese", extra_body={"mock_response": "free"}))


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("persona", {"api_key": "wrong_key"}, litellm.AuthenticationError),
        ("nobody", {}, litellm.NotFoundError),
        ("persona", {"temperature": 3}, litellm.BadRequestError),
        ("crowded", {}, litellm.RateLimitError),
    ],
)
def test_errors(seat: Seat, name: str, options: dict[str, object], error: type[Exception]) -> None:
    own = {key: getattr(seat, str(value)) if key == "api_key" else value for key, value in options.items()}

    with pytest.raises(error):
        litellm.completion(**asked(seat, "hi", getattr(seat, name, name), **own))


def test_no_money_is_a_402(seat: Seat) -> None:
    with pytest.raises(litellm.exceptions.APIError) as caught:
        litellm.completion(**asked(seat, "hi", api_key=seat.poor_key))

    assert caught.value.status_code == 402


def test_a_stream_that_breaks_raises(seat: Seat) -> None:
    with pytest.raises(litellm.exceptions.MidStreamFallbackError, match="broke off"):
        list(litellm.completion(**asked(seat, "hi", seat.broken, stream=True)))


async def test_leaving_in_the_middle(seat: Seat) -> None:
    stream = await litellm.acompletion(**asked(seat, "go", seat.slow, stream=True))
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.aclose()
