"""Readers who leave, processes that stop: a run always ends, and always by being settled."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from agents.errors import AgentNotFound, Draining, RunStopped, TooManyRuns
from agents.runtime.events import Delta
from agents.services.channel import Channel
from agents.services.running import running
from agents.services.runs import RunStream, active_runs, start_run, stop_all
from billing.errors import InsufficientFunds
from tenants import notify
from tenants.context import organization_context
from tenants.models import ApiKey, Organization
from tenants.services import issue_key, revoke_key
from tenants.threads import in_thread
from tests.agents.cast import CREDIT, ask, balance, caller_of, converse, funded, hosted, row_of, script, settled

CHUNKS = 6
PACED = {"chunks": ["four" * 100] * CHUNKS}
PRICES = {"input_price_pico": 0, "output_price_pico": 1_000_000}


@pytest.mark.parametrize("taken", range(CHUNKS + 1))
async def test_hanging_up_after_any_chunk_settles_what_was_produced(acme: Organization, taken: int) -> None:
    await funded(acme)
    agent = await hosted(acme, script(PACED, chunk_ms=20), **PRICES)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    for _ in range(taken):
        await anext(stream)
    await stream.aclose()
    await settled(within_s=1)

    row = await row_of(acme, stream)
    left = await balance(acme)
    assert left.held == 0
    assert left.available == CREDIT - row.charged_nanos
    assert row.status in ({"disconnected"} if taken < CHUNKS else {"disconnected", "finished"})
    assert row.charged_nanos >= taken * 100_000
    assert row.charged_nanos <= (taken + 2) * 120_000
    if taken == 0 and row.output_tokens == 0:
        assert row.charged_nanos == 0


async def test_what_was_spoken_is_counted_like_words_where_no_usage_came(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script({"audio": {"data": "A" * 64_000}, "no_usage": True}), **PRICES)

    _, stream = await converse(caller_of(acme), agent)

    assert stream.receipt is not None
    assert (stream.receipt.source, stream.receipt.usage.output_tokens) == ("counted", 20)
    assert stream.receipt.charged_nanos >= 20 * 1_000


async def test_a_large_image_is_not_counted_by_its_bytes_where_no_usage_came(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script({"text": "A cat.", "no_usage": True}), input_price_pico=1_000_000)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}

    _, stream = await converse(caller_of(acme), agent, ask(messages=[{"role": "user", "content": [image]}]))

    assert stream.receipt is not None
    assert 3_000 < stream.receipt.usage.input_tokens < 20_000


async def test_leaving_while_the_hold_is_made_leaves_nothing_held(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script(PACED, chunk_ms=20), **PRICES)
    await converse(caller_of(acme), agent)
    before = await balance(acme)

    for waits in range(12):
        starting = asyncio.create_task(start_run(caller=caller_of(acme), address=agent.slug, request=ask()))
        for _ in range(waits):
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
    await settled()

    assert await balance(acme) == before


async def test_an_agent_may_finish_for_a_reader_who_left(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script(PACED, chunk_ms=5), on_disconnect="finish", **PRICES)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    await anext(stream)
    await stream.aclose()
    await settled()

    row = await row_of(acme, stream)
    assert (row.status, row.output_tokens) == ("finished", CHUNKS * 100)
    assert (await balance(acme)).held == 0


async def test_it_finishes_for_nobody_only_so_long(acme: Organization, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"finish_alone_s": 0.1})
    await funded(acme)
    agent = await hosted(acme, script({"chunks": ["word "] * 1000}, chunk_ms=20), on_disconnect="finish", **PRICES)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    await anext(stream)
    await stream.aclose()
    await settled(within_s=2)

    assert (await row_of(acme, stream)).status == "disconnected"


async def test_a_reader_who_takes_nothing_has_left(acme: Organization, settings: Any) -> None:
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"reader_patience_s": 0.1})
    await funded(acme)
    agent = await hosted(acme, script({"chunks": ["word "] * 1000}), **PRICES)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    await settled(within_s=3)

    row = await row_of(acme, stream)
    assert row.status == "disconnected"
    assert (await balance(acme)).held == 0


async def test_a_slow_reader_gets_everything(acme: Organization) -> None:
    agent = await hosted(acme, script({"chunks": ["word "] * 500}))
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    count = 0
    async for event in stream:
        count += isinstance(event, Delta)
        if count % 50 == 0:
            await asyncio.sleep(0.01)

    assert count == 500


async def test_stopping_tells_readers_and_settles(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script({"chunks": ["four" * 100] * 1000}, chunk_ms=20), **PRICES)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask(stream=True))
    await anext(stream)

    stop_all()

    with pytest.raises(RunStopped):
        [event async for event in stream]
    await settled(within_s=1)
    row = await row_of(acme, stream)
    assert row.status == "cancelled"
    assert 100_000 <= row.charged_nanos <= 400_000
    assert (await balance(acme)).held == 0


async def test_revoking_a_key_cuts_its_streams_and_no_others(acme: Organization) -> None:
    agent = await hosted(acme, script({"chunks": ["word "] * 10_000}, chunk_ms=20))
    notify.start_listener()
    assert notify.listening(timeout_s=5)
    key = await in_thread(_key_of, acme)
    cut = await start_run(caller=caller_of(acme, key_id=key.pk), address=agent.slug, request=ask())
    spared = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())
    await anext(cut)

    await in_thread(_revoke, key)

    with pytest.raises(RunStopped, match="revoked"):
        [event async for event in cut]
    await anext(spared)
    await spared.aclose()
    await settled()


async def test_a_revocation_that_was_missed_is_made_up_for(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await hosted(acme, script({"chunks": ["word "] * 10_000}, chunk_ms=20))
    key, other = await in_thread(_key_of, acme), await in_thread(_key_of, acme)
    cut = await start_run(caller=caller_of(acme, key_id=key.pk), address=agent.slug, request=ask())
    spared = await start_run(caller=caller_of(acme, key_id=other.pk), address=agent.slug, request=ask())
    monkeypatch.setattr(notify, "publish", lambda topic, key: None)
    await in_thread(_revoke, key)

    await in_thread(running().stop_for_key, None)

    with pytest.raises(RunStopped, match="revoked"):
        [event async for event in cut]
    await anext(spared)
    await spared.aclose()
    await settled()


def _key_of(organization: Organization) -> ApiKey:
    with organization_context(organization.id):
        return issue_key(organization_id=organization.id, name="short-lived")[0]


def _revoke(key: ApiKey) -> None:
    with organization_context(key.organization_id):
        revoke_key(key)


async def test_a_draining_process_finishes_what_it_has_and_begins_nothing(acme: Organization) -> None:
    agent = await hosted(acme, script({"chunks": ["word "] * 20}, chunk_ms=10))
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())
    try:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_read(stream))
            await running().drain(timeout_s=10)
            with pytest.raises(Draining):
                await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

        assert reading.result() == 20
    finally:
        running()._is_draining = False


async def test_a_drain_stops_what_does_not_finish_in_time(acme: Organization) -> None:
    agent = await hosted(acme, script({"chunks": ["word "] * 10_000}, chunk_ms=20))
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())
    try:
        await running().drain(timeout_s=0.1)

        assert active_runs() == 0
        with pytest.raises(RunStopped):
            [event async for event in stream]
    finally:
        running()._is_draining = False


async def test_a_process_has_a_most_of_runs(acme: Organization, settings: Any) -> None:
    agent = await hosted(acme, script({"chunks": ["word "] * 100}, chunk_ms=20))
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"max_parallel_runs": 1, "run_wait_s": 0})
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    with pytest.raises(TooManyRuns):
        await start_run(caller=caller_of(acme), address=agent.slug, request=ask())

    await stream.aclose()
    await settled()


async def test_of_a_crowd_at_once_no_more_than_the_most_begin(acme: Organization, settings: Any) -> None:
    agent = await hosted(acme, script({"chunks": ["word "] * 200}, chunk_ms=20))
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"max_parallel_runs": 5, "run_wait_s": 0})
    refused: list[TooManyRuns] = []
    begun: list[RunStream] = []

    async def call() -> None:
        try:
            begun.append(await start_run(caller=caller_of(acme), address=agent.slug, request=ask()))
        except TooManyRuns as error:
            refused.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(60):
            group.create_task(call())
    at_once = active_runs()
    for stream in begun:
        await stream.aclose()
    await settled()

    assert (at_once, len(begun), len(refused)) == (5, 5, 55)


async def test_a_start_that_fails_gives_its_place_back(acme: Organization, settings: Any) -> None:
    agent = await hosted(acme, script({"text": "hi"}), price_per_run_nanos=1_000)
    settings.ROBUTLER = settings.ROBUTLER.model_copy(update={"max_parallel_runs": 1})
    for address in ("nobody", agent.slug, "nobody", agent.slug):
        with pytest.raises((AgentNotFound, InsufficientFunds)):
            await start_run(caller=caller_of(acme), address=address, request=ask())
    await settled()
    await funded(acme)

    text, _ = await converse(caller_of(acme), agent)

    assert text == "hi"


async def test_nothing_begins_behind_a_drain_that_found_nobody(acme: Organization) -> None:
    agent = await hosted(acme, script({"text": "hi"}))
    try:
        starting = asyncio.create_task(start_run(caller=caller_of(acme), address=agent.slug, request=ask()))
        await asyncio.sleep(0)
        await running().drain(timeout_s=1)

        with pytest.raises(Draining):
            await starting
        assert active_runs() == 0
    finally:
        running()._is_draining = False


async def test_closing_a_stream_that_has_ended_does_nothing(acme: Organization) -> None:
    agent = await hosted(acme, script({"chunks": ["done"]}))
    _, stream = await converse(caller_of(acme), agent)

    await stream.aclose()
    await stream.aclose()

    assert (await row_of(acme, stream)).status == "finished"


async def test_what_a_run_used_is_written_down_while_it_goes_on(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.services.running.CHECKPOINT_S", 0.05)
    await funded(acme)
    agent = await hosted(acme, script({"chunks": ["four" * 100] * 1000}, chunk_ms=20), **PRICES)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())
    for _ in range(10):
        await anext(stream)

    seen = []
    async for _ in stream:
        seen.append(await _accrued(stream.run_id))
        if len(seen) == 20:
            break
    await stream.aclose()
    await settled()

    assert seen == sorted(seen)
    assert seen[-1] > 0


async def test_two_hundred_tokens_are_written_down_before_the_second_is_over(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.services.running.CHECKPOINT_S", 60)
    await funded(acme)
    chunks = ["four" * 150, "four" * 50, *["x"] * 100]
    agent = await hosted(acme, script({"chunks": chunks}, chunk_ms=50), **PRICES)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask(stream=True))

    await anext(stream)
    await asyncio.sleep(0.03)
    little = await _accrued(stream.run_id)
    async with asyncio.timeout(5):
        while not await _accrued(stream.run_id):  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.02)
    much = await _accrued(stream.run_id)
    await stream.aclose()
    await settled()

    assert little == 0
    assert much >= 200_000


async def _accrued(run_id: UUID) -> int:
    from billing.models import Hold
    from tenants.context import platform_context
    from tenants.threads import in_thread

    def read() -> int:
        with platform_context(reason="look at a hold"):
            hold = Hold.objects.get(id=run_id)
            return hold.accrued_cost + hold.accrued_markup + hold.accrued_fee

    return await in_thread(read)


async def _read(stream: object) -> int:
    return sum([isinstance(event, Delta) async for event in stream])  # type: ignore[attr-defined]


async def test_a_full_channel_makes_its_writer_wait() -> None:
    channel = Channel(size=2)
    for _ in range(2):
        await channel.put(Delta(text="x"))

    writing = asyncio.create_task(channel.put(Delta(text="last")))
    await asyncio.sleep(0.01)
    waited = not writing.done()
    first = await channel.get()
    await writing

    assert waited
    assert isinstance(first, Delta)
    assert len(channel.take_ready()) == 2


async def test_a_channel_whose_reader_left_takes_everything_and_keeps_nothing() -> None:
    channel = Channel(size=1)
    channel.abandon()
    for _ in range(10):
        await channel.put(Delta(text="x"))

    assert channel.take_ready() == []
