"""A process that stood still for longer than its holds live, and goes on."""

import asyncio

import pytest

from agents.errors import RunStopped
from agents.services.runs import start_run
from billing.models import Hold, Settlement
from tenants.context import platform_context
from tenants.models import Organization
from tenants.threads import in_thread
from tests.agents.cast import CREDIT, ask, balance, caller_of, funded, hosted, script, settled
from tests.billing import money


async def test_f10_a_run_whose_hold_was_swept_while_its_process_stood_still_goes_on_for_nobody(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.services.running.CHECKPOINT_S", 0.5)
    monkeypatch.setattr("agents.services.running.OUT_OF_TOUCH_S", 0.0)
    await funded(acme)
    chatter = script({"chunks": ["four" * 10] * 500}, chunk_ms=50)
    agent = await hosted(acme, chatter, input_price_pico=0, output_price_pico=1_000_000)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask(stream=True))

    def accrued() -> int:
        with platform_context(reason="look at a test's hold"):
            return int(Hold.objects.get(pk=stream.run_id).accrued_markup)

    def sweep() -> None:
        while money.state(stream.run_id)[0] == "open":
            money.expire(stream.run_id)
            money.sweep()

    async with asyncio.timeout(20):
        while not await in_thread(accrued):  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.02)
        await in_thread(sweep)
        with pytest.raises(RunStopped, match="cut off from the ledger"):
            [event async for event in stream]
    await settled()

    def charged() -> tuple[str, int]:
        with platform_context(reason="look at a test's settlement"):
            found = Settlement.objects.get(pk=stream.run_id)
        return found.source, found.charged

    source, paid = await in_thread(charged)
    left = await balance(acme)
    assert source == "checkpoint"
    assert (left.held, left.available) == (0, CREDIT - paid)
    assert await in_thread(money.broken_rules) == {}
