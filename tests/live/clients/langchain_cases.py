"""LangChain's ChatOpenAI: chains, tools, media, errors and leaving."""

import asyncio
import base64

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from seat import Seat

DOT = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 32).decode()


class Trip(BaseModel):
    """A trip somewhere."""

    city: str
    days: int


@tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"Rain in {city}."


@tool
def population(city: str) -> str:
    """Tell the population of a city."""
    return f"600,000 in {city}."


def model(seat: Seat, name: str = "", **options: object) -> ChatOpenAI:
    return ChatOpenAI(
        model=name or seat.persona, base_url=seat.url, **{"api_key": seat.key, "max_retries": 0, **options}
    )


def test_a_chain(seat: Seat) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "Say {word}")])

    assert (prompt | model(seat) | StrOutputParser()).invoke({"word": "cheese"}) == "cheese"


def test_several_tools_are_called_and_answered(seat: Seat) -> None:
    bound = model(seat).bind_tools([weather, population])
    conversation: list[object] = [HumanMessage("Weather and population of Riga?")]

    asked = bound.invoke(conversation)
    conversation += [
        asked,
        *({"weather": weather, "population": population}[c["name"]].invoke(c) for c in asked.tool_calls),
    ]
    answer = bound.invoke(conversation)

    assert [(call["name"], call["args"]) for call in asked.tool_calls] == [
        ("weather", {"city": "Riga"}),
        ("population", {"city": "Riga"}),
    ]
    assert "Rain in Riga." in answer.text
    assert "600,000 in Riga." in answer.text


def test_streamed_tool_calls_come_together(seat: Seat) -> None:
    whole = None
    for chunk in model(seat).bind_tools([weather, population]).stream("Weather and population of Riga?"):
        whole = chunk if whole is None else whole + chunk

    assert [call["args"] for call in whole.tool_calls] == [{"city": "Riga"}, {"city": "Riga"}]
    assert whole.invalid_tool_calls == []


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(seat: Seat, method: str) -> None:
    trip = model(seat).with_structured_output(Trip, method=method).invoke("A trip of 3 days to Riga.")

    assert trip == Trip(city="Riga", days=3)


async def test_structured_output_streams(seat: Seat) -> None:
    parts = [part async for part in model(seat).with_structured_output(Trip).astream("A trip of 3 days to Riga.")]

    assert parts[-1] == Trip(city="Riga", days=3)


def test_usage_is_told_also_when_streamed(seat: Seat) -> None:
    whole = None
    for chunk in model(seat, stream_usage=True).stream("Say cheese"):
        whole = chunk if whole is None else whole + chunk

    assert whole.usage_metadata["total_tokens"] > 0
    assert whole.response_metadata["finish_reason"] == "stop"


def test_pictures_documents_and_recordings_are_taken(seat: Seat) -> None:
    parts = [
        {"type": "text", "text": "Say cheese"},
        {"type": "image", "base64": DOT, "mime_type": "image/png"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DOT}"}},
        {"type": "file", "base64": DOT, "mime_type": "application/pdf", "filename": "dot.pdf"},
        {"type": "audio", "base64": DOT, "mime_type": "audio/wav"},
    ]

    assert model(seat).invoke([HumanMessage(parts)]).text == "cheese"


def test_a_conversation_with_a_past(seat: Seat) -> None:
    past = [
        SystemMessage("Be brief."),
        HumanMessage("Weather in Riga?"),
        AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Riga"}, "id": "call_1"}]),
        ToolMessage("Rain.", tool_call_id="call_1"),
        AIMessage("Rain."),
        HumanMessage("Say cheese"),
    ]

    assert model(seat).invoke(past).text == "cheese"


def test_errors_are_openais_own(seat: Seat) -> None:
    with pytest.raises(openai.AuthenticationError):
        model(seat, api_key=seat.wrong_key).invoke("hi")
    with pytest.raises(openai.NotFoundError):
        model(seat, "nobody").invoke("hi")
    with pytest.raises(openai.BadRequestError) as caught:
        model(seat, temperature=3).invoke("hi")
    assert caught.value.param == "temperature"
    with pytest.raises(openai.RateLimitError):
        model(seat, seat.crowded).invoke("hi")
    with pytest.raises(openai.APIStatusError) as poor:
        model(seat, api_key=seat.poor_key).invoke("hi")
    assert poor.value.status_code == 402


def test_a_stream_that_breaks_raises(seat: Seat) -> None:
    with pytest.raises(openai.APIError):
        list(model(seat, seat.broken).stream("hi"))


async def test_leaving_in_the_middle(seat: Seat) -> None:
    words = []
    async with asyncio.timeout(30):
        async for chunk in model(seat, seat.slow).astream("go"):
            words.append(chunk.text)
            if len(words) > 3:
                break

    assert any(words)
