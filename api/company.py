"""Work that accompanies the answering of a request and can end it early: watching for the client to leave."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from api.edge import ClientGone, Exchange


@asynccontextmanager
async def accompanied(companion: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run `companion` beside the body. The body's end is its end; what it raises cancels the body and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(companion)
            yield
            task.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def departure(exchange: Exchange) -> None:
    """Wait for the client to leave, and raise ClientGone when it does. Only once the body is read."""
    while True:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
