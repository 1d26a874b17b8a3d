"""Pydantic AI: agents with tools, structured output in each of its modes, streams, usage and errors."""

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ModelRetry, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from seat import Seat


class Trip(BaseModel):
    """A trip somewhere."""

    city: str
    days: int


def model(seat: Seat, name: str = "", key: str = "") -> OpenAIChatModel:
    return OpenAIChatModel(name or seat.persona, provider=OpenAIProvider(base_url=seat.url, api_key=key or seat.key))


async def test_text_with_instructions_and_usage(seat: Seat) -> None:
    result = await Agent(model(seat), instructions="Be brief.").run("Say cheese")

    assert result.output == "cheese"
    assert result.usage.input_tokens > 0
    assert result.usage.output_tokens > 0


async def test_a_conversation_goes_on(seat: Seat) -> None:
    agent = Agent(model(seat))
    first = await agent.run("Say cheese")

    second = await agent.run("Say bread", message_history=first.all_messages())

    assert second.output == "bread"
    assert len(second.all_messages()) == 4


async def test_text_streams(seat: Seat) -> None:
    async with Agent(model(seat)).run_stream("Count to 30") as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]

    assert len(pieces) > 5
    assert "".join(pieces).endswith("29 30")
    assert result.usage.output_tokens > 0


async def test_its_tools_are_called(seat: Seat) -> None:
    agent = Agent(model(seat))

    @agent.tool_plain
    def weather(city: str) -> str:
        """Tell the weather in a city."""
        return f"Rain in {city}."

    @agent.tool_plain
    def population(city: str) -> str:
        """Tell the population of a city."""
        return f"600,000 in {city}."

    result = await agent.run("Weather and population of Riga?")

    assert "Rain in Riga." in result.output
    assert "600,000 in Riga." in result.output


async def test_its_tools_are_called_in_a_stream(seat: Seat) -> None:
    agent = Agent(model(seat))

    @agent.tool_plain
    def weather(city: str) -> str:
        """Tell the weather in a city."""
        return f"Rain in {city}."

    async with agent.run_stream("Weather in Riga?") as result:
        assert "Rain in Riga." in await result.get_output()


async def test_a_tool_may_ask_for_another_try(seat: Seat) -> None:
    agent = Agent(model(seat))

    @agent.tool_plain
    def weather(city: str) -> str:
        """Tell the weather in a city."""
        raise ModelRetry(f"There is no weather in {city}.")

    result = await agent.run("Weather in Riga?")

    assert "There is no weather in Riga." in result.output


@pytest.mark.parametrize("mode", [ToolOutput, NativeOutput, PromptedOutput])
async def test_structured_output(seat: Seat, mode: type) -> None:
    words = "A trip of 3 days to Riga" + (", as described." if mode is PromptedOutput else ".")

    result = await Agent(model(seat), output_type=mode(Trip)).run(words)

    assert result.output == Trip(city="Riga", days=3)


async def test_structured_output_streams(seat: Seat) -> None:
    async with Agent(model(seat), output_type=NativeOutput(Trip)).run_stream("A trip of 3 days to Riga.") as result:
        outputs = [output async for output in result.stream_output(debounce_by=None)]

    assert outputs[-1] == Trip(city="Riga", days=3)


async def test_the_agents_own_tools_stay_its_own(seat: Seat) -> None:
    result = await Agent(model(seat), output_type=[Trip, str]).run("What is 17 * 23?")

    assert "391" in str(result.output)


async def test_a_picture_is_taken(seat: Seat) -> None:
    dot = BinaryContent(b"\x89PNG\r\n\x1a\n" + b"\0" * 32, media_type="image/png")

    assert (await Agent(model(seat)).run(["Say cheese", dot])).output == "cheese"


@pytest.mark.parametrize(
    ("agent", "key", "status"),
    [("persona", "wrong_key", 401), ("persona", "poor_key", 402), ("nobody", "key", 404), ("crowded", "key", 429)],
)
async def test_errors(seat: Seat, agent: str, key: str, status: int) -> None:
    with pytest.raises(ModelHTTPError) as caught:
        await Agent(model(seat, getattr(seat, agent, agent), getattr(seat, key))).run("hi")

    assert caught.value.status_code == status


async def test_a_wrong_setting_is_a_400(seat: Seat) -> None:
    with pytest.raises(ModelHTTPError) as caught:
        await Agent(model(seat), model_settings={"temperature": 3}).run("hi")

    assert caught.value.status_code == 400
    assert caught.value.body["param"] == "temperature"


async def test_a_stream_that_breaks_raises(seat: Seat) -> None:
    with pytest.raises(ModelAPIError):
        async with Agent(model(seat, seat.broken)).run_stream("hi") as result:
            await result.get_output()


async def test_leaving_in_the_middle(seat: Seat) -> None:
    async with Agent(model(seat, seat.slow)).run_stream("go") as result:
        async for _ in result.stream_text(delta=True, debounce_by=None):
            break
