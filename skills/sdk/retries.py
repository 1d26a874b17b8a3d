"""When to try a provider again, and after how long."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from skills.sdk.errors import ModelFailed, ModelTimeout

Call = TypeVar("Call")
Piece = TypeVar("Piece")

RETRY_AFTER_SECONDS_MAX = 8.0
"""A provider that asks for more is not waited for: the caller hears how long it would be."""
FIRST_PAUSE_SECONDS = 0.25
PAUSE_SECONDS_MAX = 4.0


class ConnectTimeout(ModelTimeout):
    """The provider was not reached in time, and so has not begun to work."""


async def retried(
    prepare: Callable[[], Awaitable[Call]], attempt: Callable[[Call], AsyncGenerator[Piece]], *, retries: int
) -> AsyncGenerator[Piece]:
    """Prepare a call once and yield its reply as it comes, trying again only while nothing has come."""
    call = await prepare()
    tried = 0
    begun = False
    while True:
        try:
            async with aclosing(attempt(call)) as chunks:
                async for chunk in chunks:
                    begun = True
                    yield chunk
        except ModelFailed as failure:
            pause = None if begun or tried >= retries else pause_before_retry(failure, tried=tried)
            if pause is None:
                raise
        else:
            return
        tried += 1
        await asyncio.sleep(pause)


def pause_before_retry(failure: ModelFailed, *, tried: int) -> float | None:
    """Seconds to wait before the next try, after `tried` of them; None when it would be of no use."""
    if not failure.retryable:
        return None
    if isinstance(failure, ModelTimeout) and not isinstance(failure, ConnectTimeout):
        return None  # it may be at work, and charge for it
    if failure.retry_after_s is not None:
        return failure.retry_after_s if failure.retry_after_s <= RETRY_AFTER_SECONDS_MAX else None
    longest = min(PAUSE_SECONDS_MAX, FIRST_PAUSE_SECONDS * 2**tried)
    return random.uniform(longest / 2, longest)  # noqa: S311  # spreads clients, hides nothing
