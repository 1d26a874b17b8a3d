"""Runs whose model is a real server over a real socket: what leaves with the reader, and what its faults cost."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import outbound
from agents.models import RunContent
from agents.services.drafts import SkillChoice
from agents.services.runs import RunStream, start_run
from billing.models import Settlement
from skills.sdk import ModelFailed
from tenants.context import organization_context, platform_context
from tenants.models import Organization, ProviderCredential
from tenants.secret import Secret
from tenants.services import remove_credential, store_credential
from tenants.threads import in_thread
from tests.agents.cast import CREDIT, ask, balance, caller_of, converse, funded, hosted, row_of, settled
from tests.fakes.upstream import Upstream

PRICES: dict[str, Any] = {"input_price_pico": 0, "output_price_pico": 1_000_000}
COUNT = 8


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A provider on a real port that the operator has opened."""
    with Upstream() as running:
        outbound.configure(allow=[running.address])
        yield running
        outbound.configure()


async def sold_by(organization: Organization, upstream: Upstream, model: str) -> str:
    """The address of a public agent on the organization's own server, with a price per token."""
    server = SkillChoice(skill="openai", options={"base_url": upstream.base_url, "retries": 0})
    agent = await hosted(organization, server, model=model, visibility="public", **PRICES)
    return f"{organization.slug}/{agent.slug}"


async def test_a_whole_reply_is_paid_for_as_the_provider_counted(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    address = await sold_by(globex, upstream, f"openai/count-{COUNT}")

    text, stream = await converse(caller_of(acme), address)

    assert str(COUNT) in text
    assert stream.receipt is not None
    assert stream.receipt.source == "provider"
    sold = upstream.exchanges[-1].sale.tokens
    assert stream.receipt.usage.output_tokens == sold
    assert (await balance(acme)).available == CREDIT - stream.receipt.charged_nanos < CREDIT


@pytest.mark.parametrize("taken", range(COUNT + 1))
async def test_hanging_up_after_any_chunk_hangs_up_on_the_provider_within_a_second(
    acme: Organization, globex: Organization, upstream: Upstream, taken: int
) -> None:
    await funded(acme)
    address = await sold_by(globex, upstream, "openai/count-400:pace=20")
    stream = await start_run(caller=caller_of(acme), address=address, request=ask(stream=True))

    for _ in range(taken):
        await anext(stream)
    await stream.aclose()
    await settled(within_s=1)

    row = await row_of(acme, stream)
    left = await balance(acme)
    assert row.status == "disconnected"
    assert (left.held, left.available) == (0, CREDIT - row.charged_nanos)
    assert bool(row.charged_nanos) == bool(row.output_tokens)
    if taken:
        assert row.usage_source == "counted"
        assert row.output_tokens > 0
        assert await asyncio.to_thread(upstream.wait, lambda log: log.exchanges[-1].aborted_at is not None)


@pytest.mark.parametrize("fault", ["status=500", "status=429", "hangup"])
async def test_a_fault_before_the_first_chunk_costs_nothing(
    acme: Organization, globex: Organization, upstream: Upstream, fault: str
) -> None:
    await funded(acme)
    address = await sold_by(globex, upstream, f"openai/count-20:{fault}")
    stream = await start_run(caller=caller_of(acme), address=address, request=ask(stream=True))

    with pytest.raises(ModelFailed):
        [event async for event in stream]

    left = await balance(acme)
    assert (left.held, left.available) == (0, CREDIT)


@pytest.mark.parametrize("fault", ["cut=3", "half=3", "badjson=3", "error=3", "nofinish"])
async def test_a_fault_in_the_middle_is_an_error_and_costs_what_came(
    acme: Organization, globex: Organization, upstream: Upstream, fault: str
) -> None:
    await funded(acme)
    address = await sold_by(globex, upstream, f"openai/count-20:{fault}")
    stream = await start_run(caller=caller_of(acme), address=address, request=ask(stream=True))

    with pytest.raises(ModelFailed):
        [event async for event in stream]

    row = await row_of(acme, stream)
    left = await balance(acme)
    assert row.status == "failed"
    assert row.output_tokens > 0
    assert (left.held, left.available) == (0, CREDIT - row.charged_nanos)
    assert row.output_tokens * 1_000 <= row.charged_nanos <= row.output_tokens * 1_200


async def test_a_character_that_cannot_be_stored_costs_no_row_and_is_kept_as_another(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    server = SkillChoice(skill="openai", options={"base_url": upstream.base_url, "retries": 0})
    agent = await hosted(globex, server, model="openai/raw", visibility="public", keeps_content=True, **PRICES)
    raw = (
        'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "odd\\u0000"}}]}\n\n'
        'data: {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    )

    _, stream = await converse(caller_of(acme), f"{globex.slug}/{agent.slug}", ask(raw))

    row = await row_of(acme, stream)
    assert (row.status, row.charged_nanos > 0) == ("finished", True)
    assert await in_thread(_reply, acme, stream) == "odd\ufffd"


def _reply(organization: Organization, stream: RunStream) -> str:
    with organization_context(organization.id):
        return RunContent.objects.get(id=stream.run_id).reply


async def test_a_provider_that_reports_no_usage_is_counted(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    address = await sold_by(globex, upstream, "openai/count-20:usage=none")

    _, stream = await converse(caller_of(acme), address)

    assert stream.receipt is not None
    assert stream.receipt.source == "counted"
    assert stream.receipt.charged_nanos > 0


@pytest.mark.parametrize("is_platforms", [True, False])
async def test_an_agents_own_address_is_priced_by_the_key_that_goes_there(
    acme: Organization, globex: Organization, upstream: Upstream, is_platforms: bool
) -> None:
    await funded(acme)
    elsewhere = "" if is_platforms else "https://elsewhere.example/v1"
    key = await in_thread(_store_platforms, elsewhere or upstream.base_url)
    address = await sold_by(globex, upstream, f"openai/count-{COUNT}")

    _, stream = await converse(caller_of(acme), address)

    await in_thread(_remove_platforms, key)
    assert ("authorization" in upstream.exchanges[-1].headers) is is_platforms
    assert await in_thread(_priced_for_platform, stream) is is_platforms


def _store_platforms(base_url: str) -> ProviderCredential:
    with platform_context(reason="a test's credential"):
        return store_credential(
            organization_id=None,
            provider="openai",
            secret=Secret("sk-platforms-0123456789"),
            label=base_url[-100:],
            unpriced_allowed=True,
            base_url=base_url,
        )


def _remove_platforms(key: ProviderCredential) -> None:
    with platform_context(reason="remove a test's credential"):
        remove_credential(key)


def _priced_for_platform(stream: RunStream) -> bool:
    with platform_context(reason="look at a test's settlement"):
        return Settlement.objects.get(pk=stream.run_id).platform_credential


async def test_the_provider_is_told_how_much_is_paid_for(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    await funded(acme)
    address = await sold_by(globex, upstream, f"openai/count-{COUNT}")

    await converse(caller_of(acme), address)
    await converse(caller_of(acme), address, ask(max_output_tokens=100))

    bodies = [exchange.body or {} for exchange in upstream.exchanges]
    assert [body.get("max_tokens") for body in bodies] == [2048, 100]
