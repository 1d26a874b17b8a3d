"""The openai skill against a real server that misbehaves to order."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

import outbound
from skills.openai import OpenAISkill
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
    testing,
)
from skills.sdk.testing import MemorySecrets
from tests.fakes.upstream import Upstream

KEY = "sk-live-0123456789abcdef"


def context(**secrets: Any) -> RunContext:
    return testing.context(secrets=MemorySecrets(**secrets))


def request(order: str, **parameters: object) -> ModelRequest:
    said = [{"role": "user", "content": "hello you"}]
    return ModelRequest(model=f"openai/{order}", messages=said, parameters=parameters)


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
def skill(upstream: Upstream) -> OpenAISkill:
    options = OpenAISkill.Options(base_url=upstream.base_url, first_byte_timeout_s=1, idle_timeout_s=1)
    return OpenAISkill(options)


async def replied(skill: OpenAISkill, order: str, **parameters: object) -> list[Chunk]:
    return await collected(skill, context(), order, **parameters)


async def collected(skill: OpenAISkill, ctx: RunContext, order: str, **parameters: object) -> list[Chunk]:
    async with aclosing(skill.stream(ctx, request(order, **parameters))) as chunks:
        return [chunk async for chunk in chunks]


@pytest.mark.parametrize(
    "order",
    ["count-5", "count-5:crlf", "count-5:comments", "count-5:dribble=1:crlf", "count-5:parts", "count-5:json",
     "count-5:nodone", "count-5:usage=last", "count-5:usage=every", "count-5:hangup:times=2",
     "count-5:status=500:times=1", "count-5:status=429:after=0:times=2"],
)  # fmt: skip
async def test_every_way_of_saying_the_same_reads_the_same(skill: OpenAISkill, order: str) -> None:
    chunks = await replied(skill, order)

    assert "".join(chunk.text for chunk in chunks) == "1 2 3 4 5 "
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert chunks[-1].usage
    assert (chunks[-1].usage.input_tokens, chunks[-1].usage.output_tokens) == (2, 5)


@pytest.mark.parametrize("usage", ["none", "negative", "float", "string", "huge"])
async def test_usage_that_cannot_be_true_is_left_out(skill: OpenAISkill, usage: str) -> None:
    chunks = await replied(skill, f"count-3:usage={usage}")

    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].finish_reason == "stop"


@pytest.mark.parametrize(
    ("order", "error", "tries"),
    [
        ("fault-400", ModelRejected, 1), ("fault-404", ModelRejected, 1), ("fault-422", ModelRejected, 1),
        ("fault-401", ModelUnauthorized, 1), ("fault-403", ModelUnauthorized, 1),
        ("fault-429:after=0", ModelRateLimited, 3), ("fault-429:after=60", ModelRateLimited, 1),
        ("fault-500", ModelUnreachable, 3), ("fault-503", ModelOverloaded, 3), ("fault-529", ModelOverloaded, 3),
        ("fault-cut-early", ModelUnreachable, 3), ("fault-mute", ModelTimeout, 1), ("fault-cut", ModelUnreachable, 1),
        ("fault-half", ModelUnreachable, 1), ("fault-stall", ModelTimeout, 1), ("fault-badjson", ModelUnreachable, 1),
        ("fault-error", ModelFailed, 1), ("fault-longline", ModelUnreachable, 1),
        ("fault-nofinish", ModelUnreachable, 1),
    ],
)  # fmt: skip
async def test_a_fault_is_named_and_tried_again_only_before_the_first_piece(
    skill: OpenAISkill, upstream: Upstream, order: str, error: type[ModelFailed], tries: int
) -> None:
    with pytest.raises(error) as raised:
        await replied(skill, order)

    assert "sk-upstream" not in str(raised.value)
    assert "10.0.0.7" not in str(raised.value)
    assert len(upstream.exchanges) == tries


async def test_a_reply_that_goes_on_for_ever_is_ended(upstream: Upstream) -> None:
    skill = OpenAISkill(OpenAISkill.Options(base_url=upstream.base_url, total_timeout_s=0.2))

    with pytest.raises(ModelTimeout):
        await replied(skill, "count-4000:pace=5")

    assert upstream.exchanges[0].sale.tokens < 4_000


async def test_a_faster_tier_is_not_asked_for_on_the_platforms_account(upstream: Upstream) -> None:
    ctx = context(credentials={"openai": KEY}, base_url=upstream.base_url, platform=True)

    with pytest.raises(ModelRejected, match="service tier"):
        await collected(OpenAISkill(), ctx, "echo", service_tier="priority")

    assert upstream.connections == []


async def test_parallel_calls_come_whole(skill: OpenAISkill) -> None:
    chunks = await replied(skill, "tools-a+b")

    fragments = [fragment for chunk in chunks for fragment in chunk.tool_calls]
    assert {fragment.index: fragment.name for fragment in fragments if fragment.name} == {0: "a", 1: "b"}
    assert "".join(fragment.arguments for fragment in fragments if fragment.index == 1) == "{}"


@pytest.mark.parametrize("k", range(1, 11))
async def test_hanging_up_after_any_piece_reaches_the_upstream(skill: OpenAISkill, upstream: Upstream, k: int) -> None:
    async with aclosing(skill.stream(context(), request("count-400:pace=5"))) as chunks:
        for _ in range(k):
            await anext(chunks)

    assert await asyncio.to_thread(upstream.wait, lambda log: bool(log.exchanges[0].aborted_at))
    assert upstream.exchanges[0].sale.tokens < 100


@pytest.mark.parametrize("platform", [True, False])
@pytest.mark.parametrize("address", [None, "https://elsewhere.example/v1"])
async def test_an_agents_address_is_asked_without_a_key_that_is_not_stored_with_it(
    skill: OpenAISkill, upstream: Upstream, address: str | None, platform: bool
) -> None:
    ctx = context(credentials={"openai": KEY}, base_url=address, platform=platform)

    assert await collected(skill, ctx, "echo")

    assert "authorization" not in upstream.exchanges[0].headers
    assert not skill.used_platform_credential(ctx)


@pytest.mark.parametrize("platform", [True, False])
@pytest.mark.parametrize("names_it", [True, False])
async def test_a_key_goes_to_the_address_stored_with_it(upstream: Upstream, names_it: bool, platform: bool) -> None:
    skill = OpenAISkill(OpenAISkill.Options(base_url=f"{upstream.base_url}/" if names_it else None))
    ctx = context(credentials={"openai": KEY}, base_url=upstream.base_url, platform=platform)

    assert await collected(skill, ctx, "echo")

    assert upstream.exchanges[0].headers["authorization"] == f"Bearer {KEY}"
    assert skill.used_platform_credential(ctx) is platform


@pytest.mark.parametrize("names_it", [True, False])
async def test_a_key_that_was_chosen_may_not_be_missing(upstream: Upstream, names_it: bool) -> None:
    address = upstream.base_url if names_it else None
    skill = OpenAISkill(OpenAISkill.Options(base_url=address, credential="mine"))

    with pytest.raises(ModelUnauthorized, match="The chosen credential"):
        await collected(skill, context(credentials={"mine": KEY} if names_it else {}), "echo")

    assert upstream.connections == []


async def test_openai_is_not_asked_without_a_key() -> None:
    with pytest.raises(ModelUnauthorized, match="no credential"):
        await collected(OpenAISkill(), context(), "gpt")


async def test_only_what_is_on_the_list_is_sent(skill: OpenAISkill, upstream: Upstream) -> None:
    await replied(skill, "echo", temperature=0.5)
    with pytest.raises(ModelRejected) as raised:
        await replied(skill, "echo", api_base="http://attacker.example")

    assert raised.value.parameter == "api_base"
    assert upstream.exchanges[0].body == {
        "model": "echo", "messages": [{"role": "user", "content": "hello you"}], "temperature": 0.5,
        "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    assert len(upstream.exchanges) == 1


async def test_an_inside_address_is_refused(upstream: Upstream) -> None:
    outbound.configure()
    skill = OpenAISkill(OpenAISkill.Options(base_url=upstream.base_url))

    with pytest.raises(ModelRejected):
        await replied(skill, "echo")

    assert upstream.connections == []


@pytest.mark.parametrize("url", ["ftp://x.example", "http://", "http://u:p@x.example", "http://x.example/?a=1", "x"])
def test_a_base_url_is_a_plain_address(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        OpenAISkill.Options(base_url=url)


def test_litellm_stays_out() -> None:
    code = "import sys, skills.openai; sys.exit('litellm' in sys.modules or 'openai' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
