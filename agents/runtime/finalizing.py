"""The end of a run, however it came: its finalize hooks run, all of them, and nothing keeps them from it."""

import asyncio
import contextvars
from collections.abc import Sequence
from contextlib import AsyncExitStack

from agents.runtime.hooks import BoundHook, fire
from skills.sdk.calls import RunOutcome
from skills.sdk.context import RunContext, current_run

FINALIZE_SECONDS = 30


async def finalize(hooks: Sequence[BoundHook], ctx: RunContext, outcome: RunOutcome) -> BaseException | None:
    """Run all finalize hooks in a task of their own, so that no cancellation keeps them from it; what one raised."""
    if not hooks:
        return None

    async def all_hooks() -> None:
        async with asyncio.timeout(FINALIZE_SECONDS), AsyncExitStack() as stack:
            for hook in reversed(hooks):
                stack.push_async_callback(fire, (hook,), ctx, outcome)

    context = contextvars.copy_context()
    context.run(current_run.set, ctx)
    task = asyncio.create_task(all_hooks(), context=context)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
    return task.exception()
