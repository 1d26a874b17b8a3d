"""The litellm skill against a real server that misbehaves to order, through both of litellm's ways to read a stream."""

import asyncio
import json
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from skills.litellm import LiteLLMSkill, client
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
from skills.sdk.parameters import VENDORS
from skills.sdk.retries import ConnectTimeout
from skills.sdk.testing import MemorySecrets
from tests.fakes.unanswering import unanswering
from tests.fakes.upstream import Upstream

KEY = "sk-live-0123456789abcdef"
PROVIDERS = ("openai", "hosted_vllm")
"""One that litellm reaches with OpenAI's client, one whose lines it reads itself."""

each_provider = pytest.mark.parametrize("provider", PROVIDERS)


def skill(**options: Any) -> LiteLLMSkill:
    return LiteLLMSkill(LiteLLMSkill.Options(**{"first_byte_timeout_s": 10, "idle_timeout_s": 1, **options}))


def context(upstream: Upstream, **secrets: Any) -> RunContext:
    known = {"credentials": dict.fromkeys(PROVIDERS, KEY), "base_url": upstream.base_url, "platform": True}
    return testing.context(secrets=MemorySecrets(**{**known, **secrets}))


def request(model: str, **fields: Any) -> ModelRequest:
    said = [{"role": "user", "content": "hello you"}]
    return ModelRequest(**{"model": model, "messages": said, **fields})


async def collected(ctx: RunContext, asked: ModelRequest, **options: Any) -> list[Chunk]:
    async with aclosing(skill(**options).stream(ctx, asked)) as chunks:
        return [chunk async for chunk in chunks]


@each_provider
@pytest.mark.parametrize(
    "order",
    ["count-5", "count-5:crlf", "count-5:comments", "count-5:dribble=7:crlf", "count-5:nodone", "count-5:usage=last",
     "count-5:usage=every", "count-5:hangup:times=2", "count-5:status=500:times=1",
     "count-5:status=429:after=0:times=2", "usage-empty-choices:x"],
)  # fmt: skip
async def test_every_way_of_saying_the_same_reads_the_same(upstream: Upstream, provider: str, order: str) -> None:
    chunks = await collected(context(upstream), request(f"{provider}/{order}"))

    count = 20 if order.startswith("usage") else 5
    assert "".join(chunk.text for chunk in chunks) == "".join(f"{i} " for i in range(1, count + 1))
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert chunks[-1].usage
    assert (chunks[-1].usage.input_tokens, chunks[-1].usage.output_tokens) == (2, count)


async def test_a_prefix_that_nobody_here_has_heard_of_needs_no_code(upstream: Upstream) -> None:
    prefix = "nscale"
    root = Path(client.__file__).parents[2]
    ours = [
        path for folder in ("skills", "agents", "billing", "api", "outbound") for path in (root / folder).rglob("*.py")
    ]

    chunks = await collected(context(upstream, credentials={prefix: KEY}), request(f"{prefix}/count-3"))

    assert "".join(chunk.text for chunk in chunks) == "1 2 3 "
    assert upstream.exchanges[0].headers["authorization"] == f"Bearer {KEY}"
    assert len(ours) > 100
    assert not [path for path in ours if prefix in path.read_text()]


@each_provider
@pytest.mark.parametrize("usage", ["none", "negative", "float", "string", "huge"])
async def test_usage_that_cannot_be_true_is_left_out_and_none_is_made_up(
    upstream: Upstream, provider: str, usage: str
) -> None:
    chunks = await collected(context(upstream), request(f"{provider}/count-3:usage={usage}"))

    assert all(chunk.usage is None for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == "1 2 3 "
    assert chunks[-1].finish_reason == "stop"


@each_provider
@pytest.mark.parametrize(
    ("order", "error", "tries"),
    [
        ("fault-400", ModelRejected, 1), ("fault-404", ModelRejected, 1), ("fault-422", ModelRejected, 1),
        ("fault-401", ModelUnauthorized, 1), ("fault-403", ModelUnauthorized, 1),
        ("fault-429:after=0", ModelRateLimited, 3), ("fault-429:after=60", ModelRateLimited, 1),
        ("fault-500", ModelUnreachable, 3), ("fault-503", ModelOverloaded, 3), ("fault-529", ModelOverloaded, 3),
        ("fault-cut-early", ModelUnreachable, 3), ("fault-cut", ModelUnreachable, 1),
        ("fault-half", ModelUnreachable, 1), ("fault-stall", ModelTimeout, 1), ("fault-badjson", ModelUnreachable, 1),
        ("fault-error", ModelUnreachable, 1), ("fault-nofinish", ModelUnreachable, 1),
        ("fault-nofinish:usage=none", ModelUnreachable, 1), ("fault-nofinish:nodone", ModelUnreachable, 1),
        ("count-3:gzip", ModelUnreachable, 3),
    ],
)  # fmt: skip
async def test_a_fault_is_named_and_tried_again_only_before_the_first_piece(
    upstream: Upstream, provider: str, order: str, error: type[ModelFailed], tries: int
) -> None:
    with pytest.raises(ModelFailed) as raised:
        await collected(context(upstream), request(f"{provider}/{order}"))

    assert type(raised.value) is error
    assert "sk-upstream" not in str(raised.value)
    assert "10.0.0.7" not in str(raised.value)
    assert len(upstream.exchanges) == tries


@each_provider
async def test_a_provider_that_never_begins_is_given_up_and_not_asked_twice(upstream: Upstream, provider: str) -> None:
    with pytest.raises(ModelTimeout):
        await collected(context(upstream), request(f"{provider}/fault-mute"), first_byte_timeout_s=1)

    assert len(upstream.exchanges) == 1
    assert await asyncio.to_thread(upstream.wait, lambda log: bool(log.exchanges[0].aborted_at))


async def test_a_provider_that_is_not_reached_in_time_may_be_asked_again(upstream: Upstream) -> None:
    with unanswering() as address:
        ctx = context(upstream, base_url=f"http://{address}/v1")
        with pytest.raises(ConnectTimeout):
            await collected(ctx, request("openai/echo"), connect_timeout_s=0.2, retries=1)


async def test_what_is_longer_than_a_reply_can_be_ends_it(upstream: Upstream) -> None:
    with pytest.raises(ModelUnreachable):
        await collected(context(upstream), request("hosted_vllm/fault-longline"), idle_timeout_s=30)


async def test_a_provider_that_does_not_stream_is_no_empty_reply(upstream: Upstream) -> None:
    with pytest.raises(ModelUnreachable):
        await collected(context(upstream), request("hosted_vllm/count-3:json"), retries=0)


@each_provider
async def test_how_long_a_provider_asks_to_wait_is_passed_on(upstream: Upstream, provider: str) -> None:
    with pytest.raises(ModelRateLimited) as raised:
        await collected(context(upstream), request(f"{provider}/fault-429:after=60"))

    assert raised.value.retry_after_s == 60


@each_provider
async def test_a_reply_that_goes_on_for_ever_is_ended(upstream: Upstream, provider: str) -> None:
    with pytest.raises(ModelTimeout):
        await collected(context(upstream), request(f"{provider}/count-4000:pace=5"), total_timeout_s=0.5)

    assert upstream.exchanges[0].sale.tokens < 4_000


async def test_a_faster_tier_is_not_asked_for_on_the_platforms_account(upstream: Upstream) -> None:
    with pytest.raises(ModelRejected, match="service tier"):
        await collected(context(upstream), request("openai/echo", parameters={"service_tier": "priority"}))

    assert upstream.connections == []


@each_provider
async def test_parallel_calls_come_whole(upstream: Upstream, provider: str) -> None:
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in "ab"]
    asked = request(f"{provider}/tools-a+b", tools=tools)

    chunks = await collected(context(upstream), asked)

    fragments = [fragment for chunk in chunks for fragment in chunk.tool_calls]
    assert {fragment.index: fragment.name for fragment in fragments if fragment.name} == {0: "a", 1: "b"}
    assert len({fragment.id for fragment in fragments if fragment.id}) == 2
    for index in (0, 1):
        assert "".join(fragment.arguments for fragment in fragments if fragment.index == index) == "{}"
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["tool_calls"]


@each_provider
async def test_what_a_tool_said_goes_back(upstream: Upstream, provider: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "add"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
    ]

    chunks = await collected(context(upstream), request(f"{provider}/tool-add", messages=messages))

    assert "".join(chunk.text for chunk in chunks) == "The tool said: 3"


@each_provider
async def test_reasoning_comes_apart_from_text(upstream: Upstream, provider: str) -> None:
    chunks = await collected(context(upstream), request(f"{provider}/count-1:reasoning=2"))

    assert "".join(chunk.reasoning for chunk in chunks) == "thought 0. thought 1. "
    assert "".join(chunk.text for chunk in chunks) == "1 "


@each_provider
@pytest.mark.parametrize("k", range(1, 9))
async def test_hanging_up_after_any_piece_reaches_the_upstream(upstream: Upstream, provider: str, k: int) -> None:
    async with aclosing(skill().stream(context(upstream), request(f"{provider}/count-400:pace=5"))) as chunks:
        for _ in range(k):
            await anext(chunks)

    assert await asyncio.to_thread(upstream.wait, lambda log: bool(log.exchanges[0].aborted_at))
    assert upstream.exchanges[0].sale.tokens < 100


@pytest.mark.parametrize(
    ("provider", "taken", "left_out"),
    [
        ("openai", {"metadata": {"a": "b"}, "prompt_cache_options": {"ttl": "30m"}}, {"min_p": 0.1, "thinking": {}}),
        ("hosted_vllm", {"min_p": 0.1, "top_k": 4}, {"thinking": {}, "provider": {"order": ["x"]}}),
    ],
)
async def test_only_what_is_on_the_list_is_sent(
    upstream: Upstream, provider: str, taken: dict[str, Any], left_out: dict[str, Any]
) -> None:
    parameters = {"temperature": 0.5, "seed": 7, **taken, **left_out}
    asked = request(f"{provider}/echo", parameters=parameters, max_output_tokens=9)

    await collected(context(upstream), asked)

    sent = upstream.exchanges[0]
    limit = "max_completion_tokens" if provider == "openai" else "max_tokens"
    assert sent.body == {
        "model": "echo", "messages": [{"role": "user", "content": "hello you"}], "temperature": 0.5, "seed": 7,
        limit: 9, "stream": True, "stream_options": {"include_usage": True}, **taken,
    }  # fmt: skip
    assert all(skill().takes(name, model=f"{provider}/echo") for name in taken.keys() & VENDORS)
    assert not any(skill().takes(name, model=f"{provider}/echo") for name in left_out)
    assert sent.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "name",
    ["api_base", "api_key", "base_url", "mock_response", "extra_headers", "extra_body", "headers", "callbacks",
     "success_callback", "input_cost_per_token", "custom_llm_provider", "fallbacks", "cache", "num_retries", "client",
     "timeout", "model_list", "messages", "stream_options", "function_call", "functions"],
)  # fmt: skip
async def test_litellms_own_keywords_are_nobodys_to_give(upstream: Upstream, name: str) -> None:
    with pytest.raises(ModelRejected) as raised:
        await collected(context(upstream), request("openai/echo", parameters={name: "x"}))

    assert (raised.value.parameter, raised.value.code) == (name, "unsupported_parameter")
    assert upstream.connections == []


@pytest.mark.parametrize(("count", "served"), [(1, True), (None, True), (2, False)])
async def test_there_is_one_reply_at_a_time(upstream: Upstream, count: int | None, served: bool) -> None:
    asked = request("openai/echo", parameters={"n": count})

    if served:
        assert await collected(context(upstream), asked)
    else:
        with pytest.raises(ModelRejected) as raised:
            await collected(context(upstream), asked)
        assert (raised.value.parameter, raised.value.code) == ("n", "unsupported_parameter")


async def test_what_a_model_does_not_take_is_named(upstream: Upstream) -> None:
    ctx = context(upstream, credentials={"anthropic": KEY})

    with pytest.raises(ModelRejected) as raised:
        await collected(ctx, request("anthropic/claude-3-haiku-20240307", parameters={"seed": 1}))

    assert (raised.value.parameter, raised.value.code) == ("seed", "unsupported_parameter")
    assert upstream.connections == []


async def test_a_missing_credential_is_the_owners_to_store(upstream: Upstream) -> None:
    ctx = context(upstream, credentials={})

    with pytest.raises(ModelUnauthorized, match="no credential for groq"):
        await collected(ctx, request("groq/echo"))


@pytest.mark.parametrize(
    ("provider", "fields", "words"),
    [
        ("openai", {}, "address of its own"),
        ("hosted_vllm", {"base_url": None}, "platform's credential only"),
        ("openai", {"credentials": {"openai": "os.environ/AWS_SECRET"}, "base_url": None}, "a reference, not a key"),
        ("openai", {"credentials": {"openai": "oidc/google/x"}, "base_url": None}, "a reference, not a key"),
    ],
)
async def test_an_organizations_key_goes_to_fixed_public_addresses_only(
    upstream: Upstream, provider: str, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(ModelUnauthorized, match=words):
        await collected(context(upstream, platform=False, **fields), request(f"{provider}/echo"))

    assert upstream.connections == []


@pytest.mark.parametrize("platform", [True, False])
async def test_the_books_say_whose_key_it_is(upstream: Upstream, platform: bool) -> None:
    ctx, asked = context(upstream, platform=platform), skill()

    async with aclosing(asked.stream(ctx, request("openai/echo"))) as chunks:
        if platform:
            await anext(chunks)
        else:
            with pytest.raises(ModelUnauthorized):
                await anext(chunks)

    assert asked.used_platform_credential(ctx) is platform


async def test_a_model_has_a_provider(upstream: Upstream) -> None:
    with pytest.raises(ModelRejected):
        await collected(context(upstream), request("gpt-4o"))


async def test_nobody_listens_in() -> None:
    litellm: Any = await client.vendor()

    listeners = litellm.callbacks + litellm.success_callback + litellm.failure_callback
    # Its module for Gemini brings a cache along, which keeps nothing while litellm itself has none.
    assert set(listeners + litellm._async_success_callback + litellm._async_failure_callback) <= {"cache"}
    assert litellm.cache is None
    assert litellm.turn_off_message_logging


def test_litellm_waits_for_its_first_use() -> None:
    code = "import sys, skills.litellm; sys.exit('litellm' in sys.modules or 'openai' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@each_provider
async def test_the_tier_that_served_is_told(upstream: Upstream, provider: str) -> None:
    piece = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "service_tier": "flex"}
    told = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}
    events = [
        {**piece, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}]},
        {**piece, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**piece, "choices": [], "usage": told},
    ]
    raw = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"

    chunks = await collected(context(upstream), request(f"{provider}/raw", messages=[{"role": "user", "content": raw}]))

    assert chunks[-1].usage == Usage(input_tokens=7, output_tokens=1, service_tier="flex")
