"""LlamaIndex's OpenAILike: chat, streams, tools and structured output."""

import openai
import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel
from seat import Seat


class Trip(BaseModel):
    """A trip somewhere."""

    city: str
    days: int


def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"Rain in {city}."


def model(seat: Seat, name: str = "", key: str = "", **options: object) -> OpenAILike:
    return OpenAILike(
        **{
            "model": name or seat.persona,
            "api_base": seat.url,
            "api_key": key or seat.key,
            "is_chat_model": True,
            "is_function_calling_model": True,
            "context_window": 8_000,
            "max_retries": 0,
            **options,
        }
    )


def user(words: str) -> list[ChatMessage]:
    return [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=words)]


def test_a_chat(seat: Seat) -> None:
    assert model(seat).chat(user("Say cheese")).message.content == "cheese"


def test_a_completion_by_chat(seat: Seat) -> None:
    assert model(seat).complete("Say cheese").text == "cheese"


def test_a_streamed_chat(seat: Seat) -> None:
    pieces = [piece.delta for piece in model(seat).stream_chat(user("Count to 30"))]

    assert len(pieces) > 5
    assert "".join(piece or "" for piece in pieces).endswith("29 30")


async def test_an_asynchronous_chat(seat: Seat) -> None:
    answer = await model(seat).achat(user("Say cheese"))
    pieces = [piece.delta async for piece in await model(seat).astream_chat(user("Count to 30"))]

    assert answer.message.content == "cheese"
    assert "".join(piece or "" for piece in pieces).endswith("29 30")


def test_usage_is_told(seat: Seat) -> None:
    assert model(seat).chat(user("Say cheese")).raw.usage.total_tokens > 0


def test_a_tool_is_called_and_answered(seat: Seat) -> None:
    tool = FunctionTool.from_defaults(weather)

    answer = model(seat).predict_and_call([tool], "What is the weather in Riga?")

    assert answer.response == "Rain in Riga."


@pytest.mark.parametrize("strict", [False, True])
def test_structured_output(seat: Seat, *, strict: bool) -> None:
    structured = model(seat, should_use_structured_outputs=strict).as_structured_llm(Trip)

    assert structured.complete("A trip of 3 days to Riga.").raw == Trip(city="Riga", days=3)


@pytest.mark.parametrize(
    ("name", "key", "error"),
    [
        ("persona", "wrong_key", openai.AuthenticationError),
        ("nobody", "key", openai.NotFoundError),
        ("persona", "poor_key", openai.APIStatusError),
        ("crowded", "key", openai.RateLimitError),
    ],
)
def test_errors(seat: Seat, name: str, key: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        model(seat, getattr(seat, name, name), getattr(seat, key)).chat(user("hi"))


def test_a_wrong_setting_is_a_400(seat: Seat) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        model(seat, additional_kwargs={"top_p": 3}).chat(user("hi"))

    assert caught.value.param == "top_p"


def test_a_stream_that_breaks_raises(seat: Seat) -> None:
    with pytest.raises(openai.APIError):
        list(model(seat, seat.broken).stream_chat(user("hi")))


async def test_leaving_in_the_middle(seat: Seat) -> None:
    stream = await model(seat, seat.slow).astream_chat(user("go"))
    async for piece in stream:
        if piece.delta:
            break
    await stream.aclose()
