"""The end of a run in the books, also when the books do not answer."""

import asyncio
from typing import Any

import pytest

from agents.services.runs import start_run
from agents.services.settlement import unbroken
from billing import committer, ledger
from billing.errors import BillingUnavailable, HoldConflict, LedgerRefused
from billing.operations import RELEASE, SETTLE, Operation
from tenants.models import Organization
from tests.agents.cast import CREDIT, ask, balance, caller_of, converse, funded, hosted, script


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let the database not take the ends of runs."""
    ask = committer.ask

    async def refuse(operation: Operation, rows: Any) -> Any:
        if operation in (SETTLE, RELEASE):
            raise error
        return await ask(operation, rows)

    monkeypatch.setattr(committer, "ask", refuse)


async def test_a_reader_does_not_wait_for_books_that_are_away_and_yet_they_are_settled(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    await funded(acme)
    agent = await hosted(acme, script({"text": "hi"}), price_per_run_nanos=1_000_000)
    failing(monkeypatch, BillingUnavailable("away"))

    text, stream = await converse(caller_of(acme), agent)
    held = (await balance(acme)).held
    monkeypatch.undo()
    async with asyncio.timeout(10):
        while ledger.waiting():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)

    assert text == "hi"
    assert stream.receipt is not None
    assert (stream.receipt.deferred, held > 0) == (True, True)
    left = await balance(acme)
    assert (left.held, left.available) == (0, CREDIT - 1_000_000)


async def test_what_the_books_refuse_is_left_to_the_sweeper(
    acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    await funded(acme)
    agent = await hosted(acme, script({"text": "hi"}), price_per_run_nanos=1_000_000)
    failing(monkeypatch, LedgerRefused("a fault"))

    _, stream = await converse(caller_of(acme), agent)

    assert stream.receipt is not None
    assert stream.receipt.deferred
    assert ledger.waiting() == 0
    assert (await balance(acme)).held > 0


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
