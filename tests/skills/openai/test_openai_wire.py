"""Chat Completions as vendors really send them, over a socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

import outbound
from skills.openai import OpenAISkill
from skills.sdk import (
    Chunk,
    ModelOverloaded,
    ModelRejected,
    ModelRequest,
    ModelUnreachable,
    testing,
)
from skills.sdk.retries import ConnectTimeout
from tests.fakes.unanswering import unanswering
from tests.fakes.upstream import Upstream

STOP: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture(autouse=True)
async def _opened(upstream: Upstream) -> AsyncIterator[None]:
    outbound.configure(allow=[upstream.address])
    yield
    await outbound.close_all()
    outbound.configure()


def skill(base_url: str, **options: Any) -> OpenAISkill:
    known = {"base_url": base_url, "retries": 0, "first_byte_timeout_s": 2, "idle_timeout_s": 1}
    return OpenAISkill(OpenAISkill.Options(**{**known, **options}))


async def replied(upstream: Upstream, order: str, said: str = "hello you", **parameters: Any) -> list[Chunk]:
    messages = [{"role": "user", "content": said}]
    request = ModelRequest(model=f"openai/{order}", messages=messages, parameters=parameters)
    async with aclosing(skill(upstream.base_url).stream(testing.context(), request)) as chunks:
        return [chunk async for chunk in chunks]


async def streamed(upstream: Upstream, *choices: Any, tail: str = "data: [DONE]\n\n", **parameters: Any) -> list[Chunk]:
    """What is made of a stream of these choices, or of these whole events."""
    events = [choice if "choices" in choice or "error" in choice else {"choices": [choice]} for choice in choices]
    return await replied(
        upstream, "raw", "".join(f"data: {json.dumps(each)}\n\n" for each in events) + tail, **parameters
    )


def delta(finish: str | None = None, index: int = 0, **members: Any) -> dict[str, Any]:
    return {"index": index, "delta": members, "finish_reason": finish}


async def test_every_choice_is_read_and_has_its_own_end(upstream: Upstream) -> None:
    chunks = await replied(upstream, "count-3", n=3)

    for choice in range(3):
        own = [chunk for chunk in chunks if chunk.choice == choice]
        assert "".join(chunk.text for chunk in own) == "1 2 3 "
        assert [chunk.finish_reason for chunk in own if chunk.finish_reason] == ["stop"]


async def test_a_choice_without_an_end_breaks_the_reply_off(upstream: Upstream) -> None:
    with pytest.raises(ModelUnreachable):
        await streamed(upstream, delta(content="a"), delta(content="b", index=1), STOP, n=2)


async def test_a_function_call_of_old_is_a_tool_call(upstream: Upstream) -> None:
    first, second = {"name": "add", "arguments": ""}, {"arguments": "{}"}

    chunks = await streamed(
        upstream, delta(function_call=first), delta(function_call=second), delta(finish="function_call")
    )

    fragments = [fragment for chunk in chunks for fragment in chunk.tool_calls]
    assert [(fragment.index, fragment.name, fragment.arguments) for fragment in fragments] == [
        (0, "add", ""), (0, "", "{}"),
    ]  # fmt: skip
    assert chunks[-1].finish_reason == "tool_calls"


async def test_calls_without_an_index_begin_with_their_id(upstream: Upstream) -> None:
    calls = [
        {"id": "a", "function": {"name": "x", "arguments": "{"}}, {"function": {"arguments": "}"}},
        {"id": "b", "function": {"name": "y", "arguments": {"n": 1}}}, {"id": "c"},
    ]  # fmt: skip

    chunks = await streamed(upstream, *(delta(tool_calls=[call]) for call in calls), STOP)

    fragments = [fragment for chunk in chunks for fragment in chunk.tool_calls]
    assert [(one.index, one.id, one.arguments) for one in fragments] == [
        (0, "a", "{"), (0, "", "}"), (1, "b", '{"n":1}'), (2, "c", ""),
    ]  # fmt: skip
    assert chunks[-1].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("told", "meant"),
    [("stop", "stop"), ("eos", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"),
     ("SAFETY", "content_filter"), ("something_new", "stop")],
)  # fmt: skip
async def test_reasons_of_all_vendors_mean_one_of_five(upstream: Upstream, told: str, meant: str) -> None:
    chunks = await streamed(upstream, delta(content="a"), delta(finish=told), delta(finish=told))

    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == [meant]


@pytest.mark.parametrize(
    "event",
    [{"choices": [delta(finish="error")]}, {"error": {"message": "died"}}, {"error": "died", "choices": []}],
)
async def test_an_error_in_the_middle_ends_the_reply(upstream: Upstream, event: Any) -> None:
    with pytest.raises(ModelUnreachable):
        await streamed(upstream, delta(content="a"), event, STOP)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"object": "error", "message": "overloaded", "type": "overloaded_error"}', ModelOverloaded),
        ('{"message": "no such field", "code": 400}', ModelRejected),
        ("[1]", ModelUnreachable), ('{"choices": {}}', ModelUnreachable), ("\xff", ModelUnreachable),
    ],
)  # fmt: skip
async def test_events_that_are_none_end_the_reply(upstream: Upstream, text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await replied(upstream, "raw", f"data: {text}\n\n")


async def test_events_without_choices_say_nothing(upstream: Upstream) -> None:
    chunks = await streamed(upstream, {"choices": []}, {"choices": None, "id": "x"}, delta(content="a"), STOP)

    assert [chunk.text for chunk in chunks] == ["a", ""]


async def test_everything_else_a_message_holds_comes_along(upstream: Upstream) -> None:
    note = [{"type": "url_citation"}]
    chunks = await streamed(
        upstream,
        delta(reasoning="r1"), delta(reasoning_content="r2"), delta(refusal="no"), delta(annotations=note),
        delta(audio={"id": "a"}), {**delta(content="x"), "logprobs": {"content": []}},
        delta(content=[{"type": "text", "text": "y"}, {"type": "image"}, 7]), STOP,
    )  # fmt: skip

    assert [chunk.reasoning for chunk in chunks[:2]] == ["r1", "r2"]
    assert chunks[2].refusal == "no"
    assert [chunk.extras for chunk in chunks[3:5]] == [{"annotations": note}, {"audio": {"id": "a"}}]
    assert chunks[5].logprobs == {"content": []}
    assert chunks[6].text == "y"


async def test_a_half_event_at_the_end_is_no_end(upstream: Upstream) -> None:
    with pytest.raises(ModelUnreachable):
        await streamed(upstream, delta(content="a"), STOP, tail='data: {"choices": [{"ind')


async def test_an_end_that_nobody_marks_is_one(upstream: Upstream) -> None:
    chunks = await streamed(upstream, delta(content="a"), STOP, tail="")

    assert chunks[-1].finish_reason == "stop"


async def test_a_provider_that_said_it_all_need_not_end_well(upstream: Upstream) -> None:
    options = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}
    said = f"data: {json.dumps({'choices': [options]})}\n\n"

    chunks = await replied(upstream, "raw:stalling", said)

    assert [chunk.finish_reason for chunk in chunks] == ["stop"]
    assert await asyncio.to_thread(upstream.wait, lambda log: bool(log.connections[-1].closed_at))


async def test_a_whole_completion_is_read_in_as_many_pieces_as_it_comes_in(upstream: Upstream) -> None:
    chunks = await replied(upstream, "echo:json", "long " * 100_000)

    assert "".join(chunk.text for chunk in chunks) == "long " * 100_000
    assert chunks[-1].usage


async def test_an_encoding_that_was_not_asked_for_is_no_reply(upstream: Upstream) -> None:
    with pytest.raises(ModelUnreachable, match="encoding"):
        await replied(upstream, "count-3:gzip")


async def test_a_refusal_too_long_to_read_is_one_all_the_same(upstream: Upstream) -> None:
    with pytest.raises(ModelRejected):
        await replied(upstream, "count-3:status=400:words", "x" * 100_000)


async def test_a_server_that_is_not_reached_in_time_may_be_asked_again() -> None:
    with unanswering() as address:
        outbound.configure(allow=[address])
        asked = skill(f"http://{address}/v1", connect_timeout_s=0.1, retries=1)
        request = ModelRequest(model="openai/x", messages=[{"role": "user", "content": "x"}])

        with pytest.raises(ConnectTimeout):
            await anext(asked.stream(testing.context(), request))


@pytest.mark.parametrize(
    ("field", "sent"), [("auto", "max_tokens"), ("max_completion_tokens", "max_completion_tokens")]
)
async def test_the_limit_is_called_what_the_server_calls_it(upstream: Upstream, field: str, sent: str) -> None:
    asked = skill(upstream.base_url, output_limit_field=field)
    request = ModelRequest(
        model="openai/count-9",
        messages=[{"role": "user", "content": "x"}],
        tools=[{"type": "function", "function": {"name": "a"}}],
        parameters={"top_k": 3, "min_p": None},
        max_output_tokens=4,
    )

    async with aclosing(asked.stream(testing.context(), request)) as chunks:
        ends = [chunk.finish_reason async for chunk in chunks if chunk.finish_reason]

    body = upstream.exchanges[0].body or {}
    assert ends == ["length"]
    assert (body[sent], body["top_k"], "min_p" in body) == (4, 3, False)
    assert body["tools"] == [{"type": "function", "function": {"name": "a"}}]
