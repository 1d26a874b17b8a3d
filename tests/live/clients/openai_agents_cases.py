"""OpenAI's Agents SDK: runs, tools, handoffs, structured output and streams, with tracing off."""

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent
from pydantic import BaseModel
from seat import Seat

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled

set_tracing_disabled(disabled=True)


class Trip(BaseModel):
    """A trip somewhere."""

    city: str
    days: int


@function_tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"Rain in {city}."


@function_tool
def population(city: str) -> str:
    """Tell the population of a city."""
    return f"600,000 in {city}."


def agent(seat: Seat, address: str = "", key: str = "", **options: object) -> Agent:
    client = AsyncOpenAI(base_url=seat.url, api_key=key or seat.key, max_retries=0)
    model = OpenAIChatCompletionsModel(address or seat.persona, openai_client=client)
    return Agent(**{"name": "Clerk", "instructions": "Be brief.", "model": model, **options})


async def test_a_run(seat: Seat) -> None:
    result = await Runner.run(agent(seat), "Say cheese")

    assert result.final_output == "cheese"
    assert result.context_wrapper.usage.total_tokens > 0


async def test_a_conversation_goes_on(seat: Seat) -> None:
    first = await Runner.run(agent(seat), "Say cheese")

    second = await Runner.run(agent(seat), [*first.to_input_list(), {"role": "user", "content": "Say bread"}])

    assert second.final_output == "bread"


async def test_its_tools_are_called(seat: Seat) -> None:
    result = await Runner.run(agent(seat, tools=[weather, population]), "Weather and population of Riga?")

    assert "Rain in Riga." in result.final_output
    assert "600,000 in Riga." in result.final_output


async def test_a_tool_is_demanded(seat: Seat) -> None:
    demanding = agent(seat, tools=[weather], model_settings=ModelSettings(tool_choice="required"))

    result = await Runner.run(demanding, "Say something of Riga.")

    assert "Rain in" in result.final_output


async def test_a_conversation_is_handed_off(seat: Seat) -> None:
    billing = agent(seat, name="Billing", handoff_description="Knows about invoices.", tools=[weather])
    front = agent(seat, name="Front desk", handoffs=[billing])

    result = await Runner.run(front, "Please transfer me to billing.")

    assert result.last_agent.name == "Billing"


async def test_an_agent_is_a_tool(seat: Seat) -> None:
    poet = agent(seat, name="Poet").as_tool(tool_name="write_poem", tool_description="Write a poem.")

    result = await Runner.run(agent(seat, tools=[poet]), "Please write a poem")

    assert "write_poem says: You said" in result.final_output


async def test_structured_output(seat: Seat) -> None:
    result = await Runner.run(agent(seat, output_type=Trip), "A trip of 3 days to Riga.")

    assert result.final_output == Trip(city="Riga", days=3)


async def test_text_streams(seat: Seat) -> None:
    result = Runner.run_streamed(agent(seat, model_settings=ModelSettings(include_usage=True)), "Count to 30")
    pieces = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent)
    ]

    assert len(pieces) > 5
    assert "".join(pieces) == result.final_output
    assert result.context_wrapper.usage.output_tokens > 0


async def test_tools_are_called_in_a_stream(seat: Seat) -> None:
    result = Runner.run_streamed(agent(seat, tools=[weather, population]), "Weather and population of Riga?")
    kinds = [event.item.type async for event in result.stream_events() if event.type == "run_item_stream_event"]

    assert kinds.count("tool_call_item") == 2
    assert kinds.count("tool_call_output_item") == 2
    assert "Rain in Riga." in result.final_output


@pytest.mark.parametrize(
    ("name", "key", "error"),
    [
        ("persona", "wrong_key", openai.AuthenticationError),
        ("persona", "poor_key", openai.APIStatusError),
        ("nobody", "key", openai.NotFoundError),
        ("crowded", "key", openai.RateLimitError),
    ],
)
async def test_errors(seat: Seat, name: str, key: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await Runner.run(agent(seat, getattr(seat, name, name), getattr(seat, key)), "hi")


async def test_a_wrong_setting_is_a_400(seat: Seat) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await Runner.run(agent(seat, model_settings=ModelSettings(temperature=3)), "hi")

    assert caught.value.param == "temperature"


async def test_a_stream_that_breaks_raises(seat: Seat) -> None:
    result = Runner.run_streamed(agent(seat, seat.broken), "hi")

    with pytest.raises(openai.APIError):
        async for _ in result.stream_events():
            pass


async def test_leaving_in_the_middle(seat: Seat) -> None:
    result = Runner.run_streamed(agent(seat, seat.slow), "go")
    async for event in result.stream_events():
        if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent):
            result.cancel()
            break
    async for _ in result.stream_events():
        pass
