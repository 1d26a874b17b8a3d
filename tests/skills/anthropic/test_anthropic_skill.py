"""The anthropic skill against a real server that speaks the Messages API, and misbehaves to order."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from anthropic import AsyncAnthropic

import outbound
from skills.anthropic import AnthropicSkill
from skills.anthropic.names import Names
from skills.sdk import (
    Chunk,
    ModelFailed,
    ModelOverloaded,
    ModelRateLimited,
    ModelRejected,
    ModelRequest,
    ModelTimeout,
    ModelUnauthorized,
    ModelUnreachable,
    RunContext,
    Usage,
    testing,
)
from skills.sdk.testing import MemorySecrets
from tests.fakes.upstream import Upstream

KEY = "sk-ant-live-0123456789abcdef"
LOOK: dict[str, Any] = {"type": "function", "function": {"name": "look.at", "parameters": {"type": "object"}}}


def context(**secrets: Any) -> RunContext:
    return testing.context(secrets=MemorySecrets(**secrets))


def request(order: str, **fields: Any) -> ModelRequest:
    said = fields.pop("messages", [{"role": "user", "content": "hello you"}])
    tools = fields.pop("tools", ())
    return ModelRequest(model=f"anthropic/{order}", messages=said, tools=tools, parameters=fields)


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


@pytest.fixture
def skill(upstream: Upstream) -> AnthropicSkill:
    return AnthropicSkill(
        AnthropicSkill.Options(base_url=upstream.base_url, first_byte_timeout_s=1, idle_timeout_s=1, retries=0)
    )


async def replied(skill: AnthropicSkill, order: str, *, ctx: RunContext | None = None, **fields: Any) -> list[Chunk]:
    async with aclosing(skill.stream(ctx or context(), request(order, **fields))) as chunks:
        return [chunk async for chunk in chunks]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


async def test_the_vendors_own_client_reads_what_the_fake_sends(upstream: Upstream) -> None:
    tools: Any = [{"name": "add", "input_schema": {"type": "object"}}]
    asked: Any = [{"role": "user", "content": '/tool-add {"a": 1}'}]
    root = upstream.base_url.removesuffix("/v1")
    async with AsyncAnthropic(base_url=root, api_key="k", _strict_response_validation=True, max_retries=0) as client:
        async with client.messages.stream(
            model="count-5:reasoning=2", max_tokens=100, messages=[{"role": "user", "content": "hi"}]
        ) as stream:
            told = await stream.get_final_message()
        called = await client.messages.create(model="echo", max_tokens=100, messages=asked, tools=tools)

    assert [block.type for block in told.content] == ["thinking", "text"]
    assert told.content[1].text == "1 2 3 4 5 "  # type: ignore[union-attr]
    assert told.stop_reason == "end_turn"
    assert called.content[0].input == {"a": 1}  # type: ignore[union-attr]


@pytest.mark.parametrize("order", ["count-5", "count-5:crlf", "count-5:json", "count-5:nodone", "count-5:usage=every"])
async def test_every_way_of_saying_the_same_reads_the_same(skill: AnthropicSkill, order: str) -> None:
    chunks = await replied(skill, order)

    assert text_of(chunks) == "1 2 3 4 5 "
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert chunks[-1].usage == Usage(input_tokens=2, output_tokens=5)


async def test_the_key_and_the_version_are_sent(upstream: Upstream) -> None:
    skill = AnthropicSkill(AnthropicSkill.Options(base_url=upstream.base_url))

    await replied(skill, "count-1", ctx=context(credentials={"anthropic": KEY}, base_url=upstream.base_url))

    headers = upstream.log.exchanges[-1].headers
    assert headers["x-api-key"] == KEY
    assert headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in headers


async def test_calls_come_in_pieces_under_the_names_they_were_offered_by(skill: AnthropicSkill) -> None:
    sent = Names(["look.at"]).sent("look.at")
    asked = [{"role": "user", "content": f'/tools-{sent}+{sent} [{{"at": "sky"}}, {{}}]'}]

    chunks = await replied(skill, "echo", messages=asked, tools=(LOOK,))

    fragments = [piece for chunk in chunks for piece in chunk.tool_calls]
    arguments = {at: "".join(piece.arguments for piece in fragments if piece.index == at) for at in (0, 1)}
    assert arguments == {0: '{"at": "sky"}', 1: "{}"}
    assert [(piece.id[:6], piece.name) for piece in fragments if piece.id] == [("toolu_", "look.at")] * 2
    assert chunks[-2].finish_reason == "tool_calls"


async def test_thinking_is_told_and_kept_for_the_turn_after_its_calls(
    skill: AnthropicSkill, upstream: Upstream
) -> None:
    ctx = context()
    asked = [{"role": "user", "content": "/tool-look:reasoning=2 {}"}]

    chunks = await replied(skill, "echo", ctx=ctx, messages=asked, tools=(LOOK,), reasoning_effort="low")
    (id,) = [piece.id for chunk in chunks for piece in chunk.tool_calls if piece.id]
    call = {"id": id, "type": "function", "function": {"name": "look", "arguments": "{}"}}
    further = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": id, "content": "x"},
    ]
    await replied(skill, "echo", ctx=ctx, messages=[*asked, *further], tools=(LOOK,), reasoning_effort="low")

    assert "".join(chunk.reasoning for chunk in chunks) == "thought 0. thought 1. "
    body = upstream.log.exchanges[-1].body
    assert body is not None
    assert body["messages"][1]["content"][0] == {
        "type": "thinking", "thinking": "thought 0. thought 1. ", "signature": "c2lnbmVk",
    }  # fmt: skip


async def test_what_one_run_thought_is_no_business_of_another(skill: AnthropicSkill) -> None:
    one, other = context(), context()

    await replied(skill, "tool-look:reasoning=1", ctx=one, tools=(LOOK,))

    assert one.data["anthropic"]["thoughts"]
    assert not other.data


async def test_every_kind_of_input_is_counted_by_itself(skill: AnthropicSkill) -> None:
    chunks = await replied(skill, "count-3:cached=1000:written=500")

    assert chunks[-1].usage == Usage(
        input_tokens=1_502,
        cached_input_tokens=1_000,
        cache_write_tokens=500,
        cache_write_1h_tokens=500,
        output_tokens=3,
    )


@pytest.mark.parametrize("usage", ["none", "negative", "float", "string", "huge"])
async def test_usage_that_cannot_be_true_is_none(skill: AnthropicSkill, usage: str) -> None:
    chunks = await replied(skill, f"count-3:usage={usage}")

    assert text_of(chunks) == "1 2 3 "
    assert all(chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ("status=400", ModelRejected), ("status=401", ModelUnauthorized), ("status=402", ModelUnauthorized),
        ("status=403", ModelUnauthorized), ("status=404", ModelRejected), ("status=413", ModelRejected),
        ("status=429:after=60", ModelRateLimited), ("status=500", ModelUnreachable), ("status=503", ModelOverloaded),
        ("status=529", ModelOverloaded), ("status=504", ModelTimeout), ("hangup", ModelUnreachable),
        ("mute", ModelTimeout), ("cut=3", ModelUnreachable), ("half=3", ModelUnreachable), ("stall=3", ModelTimeout),
        ("badjson=3", ModelUnreachable), ("error=3", ModelUnreachable), ("nofinish", ModelUnreachable),
        ("longline=3:mb=17", ModelUnreachable),
    ],
)  # fmt: skip
async def test_each_fault_is_one_error_without_the_providers_secrets(
    skill: AnthropicSkill, order: str, error: type[ModelFailed]
) -> None:
    with pytest.raises(ModelFailed) as caught:
        await replied(skill, f"count-20:{order}")

    assert type(caught.value) is error
    assert "sk-upstream" not in str(caught.value)
    assert "10.0.0.7" not in str(caught.value)


async def test_who_leaves_closes_the_connection(skill: AnthropicSkill, upstream: Upstream) -> None:
    async with aclosing(skill.stream(context(), request("count-400:pace=20"))) as chunks:
        await anext(chunks)

    assert await asyncio.to_thread(upstream.wait, lambda log: log.exchanges[-1].aborted_at is not None)


async def test_it_tries_again_before_the_first_piece_only(upstream: Upstream) -> None:
    skill = AnthropicSkill(AnthropicSkill.Options(base_url=upstream.base_url))

    chunks = await replied(skill, "count-3:status=529:times=2")

    assert text_of(chunks) == "1 2 3 "
    assert len(upstream.log.exchanges) == 3


async def test_without_a_key_nothing_is_asked(upstream: Upstream) -> None:
    with pytest.raises(ModelUnauthorized, match="no credential for anthropic"):
        await replied(AnthropicSkill(), "count-3")

    assert not upstream.log.exchanges


def test_the_vendors_package_is_not_imported_for_a_plain_request() -> None:
    code = "import sys, skills.anthropic; print(any(name.split('.')[0] == 'anthropic' for name in sys.modules))"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said.strip() == "False"
