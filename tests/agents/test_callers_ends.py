"""Ends that a caller brings about, by reading slowly, not at all, or by taking back its key: the run is paid for."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from agents.errors import RunStopped
from agents.runtime.events import Delta
from agents.services.running import running
from agents.services.runs import RunStream, start_run
from tenants.models import Organization
from tests.agents.cast import ask, caller_of, funded, hosted, row_of, script, settled

FIXED: dict[str, Any] = {"price_per_run_nanos": 100_000_000}
LONG = {"chunks": ["word "] * 200}


async def test_who_reads_slowly_gets_everything_and_pays_for_it(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script(LONG), limits={"seconds": 1}, **FIXED)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    count = 0
    async for event in stream:
        count += isinstance(event, Delta)
        if count == 100:
            await asyncio.sleep(1.2)

    assert count == 200
    assert stream.receipt is not None
    assert (stream.receipt.status, stream.receipt.charged_nanos >= 100_000_000) == ("finished", True)


async def test_who_does_not_read_on_pays_for_the_run_and_is_told_so(acme: Organization, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"reader_patience_s": 0.3})
    await funded(acme)
    agent = await hosted(acme, script({"chunks": ["word "] * 2_000}), **FIXED)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    with pytest.raises(RunStopped):
        await _read_slowly(stream)

    await settled()
    row = await row_of(acme, stream)
    assert row.status == "disconnected"
    assert row.charged_nanos >= 100_000_000


async def test_revoking_ones_own_key_does_not_save_the_price_of_the_run(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script({"chunks": ["word "] * 10_000}, chunk_ms=20), **FIXED)
    key = UUID(int=7)
    stream = await start_run(caller=caller_of(acme, key_id=key), address=agent.slug, request=ask())
    await anext(stream)

    running().stop_for_key(str(key))

    with pytest.raises(RunStopped):
        [event async for event in stream]
    assert stream.receipt is not None
    assert stream.receipt.charged_nanos >= 100_000_000


async def _read_slowly(stream: RunStream) -> None:
    async for _ in stream:
        await asyncio.sleep(0.01)
