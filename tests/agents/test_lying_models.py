"""Models that lie about what they used: nobody earns more by it than was reserved for the call."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import outbound
from agents.services.drafts import SkillChoice
from agents.services.runs import RunStream
from billing.models import Settlement
from tenants.context import platform_context
from tenants.models import Organization
from tenants.threads import in_thread
from tests.agents.cast import CREDIT, ask, balance, caller_of, converse, funded, hosted, script
from tests.fakes.upstream import Upstream

LIMIT = 10
PER_TOKEN = 100_000
"""What the liar asks for a token of output, in nanodollars: ten thousand tokens are a dollar."""
DEAR: dict[str, Any] = {"input_price_pico": PER_TOKEN * 1_000, "output_price_pico": PER_TOKEN * 1_000}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A provider on a real port that the operator has opened."""
    with Upstream() as running:
        outbound.configure(allow=[running.address])
        yield running
        outbound.configure()


def _settlement(stream: RunStream) -> Settlement:
    with platform_context(reason="look at a test's settlement"):
        return Settlement.objects.get(pk=stream.run_id)


async def stays_within_the_hold(payer: Organization, stream: RunStream) -> None:
    """Whatever was claimed: the creator is paid out of what was reserved, and the payer keeps the rest."""
    settlement = await in_thread(_settlement, stream)
    left = await balance(payer)
    assert stream.receipt is not None
    assert settlement.overrun == 0
    assert settlement.creator_share <= settlement.reserved
    assert 0 < settlement.charged <= settlement.reserved
    assert (left.held, left.available) == (0, 100 * CREDIT - settlement.charged)


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": 10**7, "output_tokens": 10**7},
        {"input_tokens": 1, "output_tokens": 10_000_000, "reasoning_tokens": 10_000_000},
        {"input_tokens": 10_000_000, "cached_input_tokens": 10_000_000, "output_tokens": 1},
    ],
)
async def test_a_script_earns_no_more_than_was_reserved(
    acme: Organization, globex: Organization, usage: dict[str, int]
) -> None:
    await funded(acme, 100 * CREDIT)
    agent = await hosted(globex, script({"text": "hi", "usage": usage}), visibility="public", **DEAR)

    text, stream = await converse(caller_of(acme), f"{globex.slug}/{agent.slug}", ask(max_output_tokens=LIMIT))

    assert text == "hi"
    await stays_within_the_hold(acme, stream)


@pytest.mark.parametrize("lie", ["huge", "negative", "float", "string", "every", "none", "last"])
async def test_a_server_of_the_owners_own_earns_no_more_than_was_reserved(
    acme: Organization, globex: Organization, upstream: Upstream, lie: str
) -> None:
    await funded(acme, 100 * CREDIT)
    address = await _sold(globex, upstream, f"openai/count-8:usage={lie}")

    _, stream = await converse(caller_of(acme), address, ask(max_output_tokens=LIMIT))

    await stays_within_the_hold(acme, stream)


async def test_a_server_that_claims_ten_million_tokens_is_paid_for_ten(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme, 100 * CREDIT)
    address = await _sold(globex, upstream, "openai/raw", DEAR | {"input_price_pico": 0})
    told = {"prompt_tokens": 1, "completion_tokens": 10**7, "total_tokens": 10**7 + 1}
    lines: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "hi"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": told},
        {"choices": [], "usage": told},
    ]
    raw = "".join(f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', **line})}\n\n" for line in lines)

    text, stream = await converse(caller_of(acme), address, ask(f"{raw}data: [DONE]\n\n", max_output_tokens=LIMIT))

    assert text == "hi"
    assert stream.receipt is not None
    assert stream.receipt.usage.output_tokens == LIMIT
    assert stream.receipt.source == "estimated"
    await stays_within_the_hold(acme, stream)
    assert LIMIT * PER_TOKEN <= stream.receipt.charged_nanos <= LIMIT * PER_TOKEN * 12 // 10


async def test_a_server_that_does_not_stop_at_the_limit_is_paid_up_to_it(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme, 100 * CREDIT)
    address = await _sold(globex, upstream, "openai/count-400:deaf")

    _, stream = await converse(caller_of(acme), address, ask(max_output_tokens=LIMIT))

    assert stream.receipt is not None
    assert stream.receipt.usage.output_tokens == LIMIT
    await stays_within_the_hold(acme, stream)


async def _sold(organization: Organization, upstream: Upstream, model: str, prices: dict[str, Any] = DEAR) -> str:
    """The address of a dear public agent on the organization's own server."""
    server = SkillChoice(skill="openai", options={"base_url": upstream.base_url, "retries": 0})
    agent = await hosted(organization, server, model=model, visibility="public", **prices)
    return f"{organization.slug}/{agent.slug}"
