"""What providers say that a call used, beside tokens."""

import json
from typing import Any

import msgspec
import pytest

from skills.anthropic.names import Names
from skills.anthropic.wire import Reply as AnthropicReply
from skills.openai.wire import Reply as OpenAIReply
from skills.sdk.providers import service_tier_of, usage_of
from skills.sdk.usage import MOST_TOKENS, Usage

TOLD: dict[str, Any] = {"prompt_tokens": 10, "completion_tokens": 5}


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ({"num_search_queries": 3, "citation_tokens": 900}, {"search_requests": 3, "citation_tokens": 900}),
        ({"prompt_tokens_details": {"web_search_requests": 2}}, {"search_requests": 2}),
        ({"server_tool_use": {"web_search_requests": 4}}, {"search_requests": 4}),
        (
            {"prompt_tokens_details": {"image_count": 2, "character_count": 70, "audio_length_seconds": 1.2}},
            {"input_images": 2, "input_characters": 70, "input_seconds": 2},
        ),
        ({"prompt_tokens_details": {"audio_length_seconds": 1, "video_length_seconds": 2.5}}, {"input_seconds": 4}),
    ],
)
def test_what_is_billed_beside_tokens_is_counted(told: dict[str, Any], counts: dict[str, Any]) -> None:
    assert usage_of(TOLD | told, spoke=True) == Usage(input_tokens=10, output_tokens=5, **counts)


@pytest.mark.parametrize("absurd", [-1, True, "3", 1.5, MOST_TOKENS + 1, None, [], {}])
def test_what_is_no_count_is_none_of_anything(absurd: object) -> None:
    told = {"num_search_queries": absurd, "citation_tokens": absurd, "server_tool_use": absurd}

    assert usage_of(TOLD | told, spoke=True) == Usage(input_tokens=10, output_tokens=5)


@pytest.mark.parametrize("absurd", [-1, True, "3", float("nan"), float("inf"), MOST_TOKENS + 1])
def test_what_is_no_time_has_no_seconds(absurd: object) -> None:
    usage = usage_of(TOLD | {"prompt_tokens_details": {"audio_length_seconds": absurd}}, spoke=True)

    assert usage == Usage(input_tokens=10, output_tokens=5)


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ("default", ""), ("auto", ""), ("standard", ""), ("scale", ""), ("on_demand", ""), (None, ""), (7, ""),
        ("flex", "flex"), ("priority", "priority"), ("fast", "priority"), ("batch", "batch"),
    ],
)  # fmt: skip
def test_only_tiers_with_prices_of_their_own_have_names(told: object, tier: str) -> None:
    assert service_tier_of(told) == tier


def test_openai_says_in_the_reply_how_fast_it_served() -> None:
    reply = OpenAIReply(choices=1)
    said = {"service_tier": "priority", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}

    list(reply.read(json.dumps(said).encode()))
    list(reply.read(json.dumps({"choices": [], "usage": TOLD}).encode()))

    assert reply.usage() == Usage(input_tokens=10, output_tokens=5, service_tier="priority")


def test_anthropic_says_in_the_usage_how_fast_it_served_and_what_it_searched() -> None:
    reply = AnthropicReply(names=Names(()))
    begun = {"input_tokens": 3, "output_tokens": 1, "service_tier": "priority"}
    ended = {"output_tokens": 9, "server_tool_use": {"web_search_requests": 2}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"usage": begun}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": ended},
    ]

    for event in events:
        list(reply.read(json.dumps(event).encode()))

    assert reply.usage() == Usage(input_tokens=3, output_tokens=9, search_requests=2, service_tier="priority")


def test_calls_at_different_speeds_have_none_together() -> None:
    fast, slow = Usage(input_tokens=1, service_tier="priority"), Usage(input_tokens=2, service_tier="flex")

    assert (fast + slow).service_tier == ""
    assert (fast + fast).service_tier == "priority"


def test_a_count_is_a_whole_number_that_somebody_may_use() -> None:
    usage = Usage(input_tokens=1, search_requests=2, service_tier="flex")

    assert usage.is_possible()
    assert not msgspec.structs.replace(usage, search_requests=-1).is_possible()
