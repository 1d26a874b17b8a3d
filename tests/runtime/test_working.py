"""The deadline of a run: its own time counts, its reader's does not."""

import asyncio
import time
from contextlib import aclosing
from typing import Any

import pytest

from agents.runtime.agent import RunLimits
from agents.runtime.events import Finished
from agents.runtime.working import Working
from skills.sdk import Chunk, RunTimedOut
from skills.sdk.testing import context
from tests.runtime.cast import Recorder, agent, ask


async def test_a_run_that_takes_too_long_is_stopped_and_its_stream_closed() -> None:
    class Stuck(Recorder):
        async def stream(self, ctx: Any, request: Any) -> Any:
            try:
                yield Chunk(text="…")
                await asyncio.Event().wait()
            finally:
                self.closed += 1

    model = Stuck()

    with pytest.raises(RunTimedOut, match=r"0\.05 seconds") as caught:
        await ask(agent(model=model, limits=RunLimits(seconds=0.05)))

    assert isinstance(caught.value, TimeoutError)
    assert model.closed == 1


async def test_the_time_of_a_slow_reader_makes_no_run_late() -> None:
    chunks = (Chunk(text="a"), Chunk(text="b"), Chunk(finish_reason="stop"))
    events = agent(model=Recorder(*chunks), limits=RunLimits(seconds=0.02)).run_streaming([], ctx=context())

    seen = []
    async with aclosing(events):
        async for event in events:
            seen.append(event)
            await asyncio.sleep(0.03)

    assert isinstance(seen[-1], Finished)


async def test_a_run_is_late_when_all_its_own_time_is_and_the_reader_is_not_stopped() -> None:
    class Slow(Recorder):
        async def stream(self, ctx: Any, request: Any) -> Any:
            for _ in range(100):
                await asyncio.sleep(0.02)
                yield Chunk(text="…")

    events = agent(model=Slow(), limits=RunLimits(seconds=0.1)).run_streaming([], ctx=context())

    seen = []
    async with aclosing(events):
        with pytest.raises(RunTimedOut):  # noqa: PT012 - the reader and the run take turns
            async for event in events:
                seen.append(event)
                await asyncio.sleep(0.03)

    assert 1 <= len(seen) <= 5


async def test_a_cancellation_at_the_very_deadline_is_not_taken_for_it() -> None:
    async def work() -> None:
        with Working(context(), seconds=0.02):
            await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    loop.call_later(0.03, task.cancel)
    time.sleep(0.05)

    with pytest.raises(asyncio.CancelledError):
        await task
