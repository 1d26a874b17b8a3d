"""The end of a run in the books, also when the books do not answer."""

import asyncio
from typing import Any

import pytest

from agents.services import settlement
from agents.services.runs import RunStream, active_runs, start_run
from agents.services.settlement import unbroken
from billing import ledger
from billing.errors import BillingUnavailable, HoldConflict, LedgerRefused
from billing.models import Hold
from tenants.context import platform_context
from tenants.models import Organization
from tenants.threads import in_thread
from tests.agents.cast import CREDIT, ask, balance, caller_of, converse, funded, hosted, row_of, script, settled


def failing(monkeypatch: pytest.MonkeyPatch, times: int, error: Exception) -> None:
    """Let the ledger refuse to settle so many times."""
    settle, failures = ledger.settle, iter([error] * times)

    async def sometimes(**asked: Any) -> Any:
        for failure in failures:
            raise failure
        return await settle(**asked)

    monkeypatch.setattr(ledger, "settle", sometimes)


@pytest.mark.parametrize("error", [BillingUnavailable("away"), LedgerRefused("a fault")])
async def test_a_reader_does_not_wait_for_books_that_are_away_and_yet_they_are_settled(
    acme: Organization, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(settlement, "RETRIES_S", (0.05, 0.05))
    await funded(acme)
    agent = await hosted(acme, script({"text": "hi"}), price_per_run_nanos=1_000_000)
    failing(monkeypatch, 2, error)

    text, stream = await converse(caller_of(acme), agent)

    assert text == "hi"
    assert stream.receipt is not None
    assert (stream.receipt.deferred, active_runs()) == (True, 1)
    await settled()
    left = await balance(acme)
    row = await row_of(acme, stream)
    assert left.held == 0
    assert left.available == CREDIT - row.charged_nanos < CREDIT


async def test_books_that_stay_away_are_left_to_the_sweeper(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "RETRIES_S", (0.01,))
    monkeypatch.setattr(settlement, "GIVE_UP_S", 0)
    await funded(acme)
    agent = await hosted(acme, script({"text": "hi"}), price_per_run_nanos=1_000_000)
    failing(monkeypatch, 9, BillingUnavailable("away"))

    _, stream = await converse(caller_of(acme), agent)
    await settled()

    assert stream.receipt is not None
    assert stream.receipt.deferred
    assert (await balance(acme)).held > 0


async def test_a_finished_run_that_cannot_be_settled_is_written_down_with_its_price_and_kept_alive(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.services.running.CHECKPOINT_S", 0.02)
    monkeypatch.setattr(settlement, "RETRIES_S", (0.01,))
    monkeypatch.setattr(settlement, "PAUSE_S", 0.01)
    await funded(acme)
    agent = await hosted(acme, script({"text": "hi"}), price_per_run_nanos=1_000_000)
    failing(monkeypatch, 1_000_000, BillingUnavailable("away"))

    _, stream = await converse(caller_of(acme), agent)
    async with asyncio.timeout(5):
        while (hold := await in_thread(_hold, stream)).accrued_markup < 1_000_000:  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        while (await in_thread(_hold, stream)).expires_at <= hold.expires_at:  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(0.02)
    still = active_runs()
    monkeypatch.undo()
    await settled()

    assert still == 1
    assert (await balance(acme)).available <= CREDIT - 1_000_000


def _hold(stream: RunStream) -> Hold:
    with platform_context(reason="look at a test's hold"):
        return Hold.objects.get(id=stream.run_id)


async def test_a_hold_that_ended_without_us_ends_the_run_for_nothing(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script({"chunks": ["a", "b", "c"]}, chunk_ms=50), price_per_run_nanos=1_000_000)
    stream = await start_run(caller=caller_of(acme), address=agent.slug, request=ask())
    await anext(stream)

    await ledger.release(id=stream.run_id, status="failed")
    assert len([event async for event in stream]) >= 2

    assert stream.receipt is not None
    assert stream.receipt.charged_nanos == 0
    assert (await balance(acme)).available == CREDIT


async def test_the_same_run_does_not_begin_twice(acme: Organization) -> None:
    await funded(acme)
    agent = await hosted(acme, script({"text": "hi"}), price_per_run_nanos=1_000_000)
    request = ask()
    _, first = await converse(caller_of(acme), agent, request)
    before = await balance(acme)

    with pytest.raises(HoldConflict):
        await start_run(caller=caller_of(acme), address=agent.slug, request=request)

    assert first.receipt is not None
    assert await balance(acme) == before


async def test_what_must_not_be_broken_off_is_not() -> None:
    done: list[str] = []

    async def work() -> str:
        await asyncio.sleep(0.05)
        done.append("work")
        return "result"

    async def caller() -> None:
        done.append(await unbroken(work()))
        await asyncio.sleep(0)
        done.append("never")

    task = asyncio.create_task(caller())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["work", "result"]
