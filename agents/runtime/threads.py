"""Threads for what skill authors wrote without async: few for each organization, so that none can take them all."""

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

THREADS = 64
EACH = 8
"""How many calls of one organization's agents have a thread at a time. A call that hangs keeps its own until it ends,
also when nobody waits for it any more; further ones wait, and fail when their time is over."""

_threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="tool")
_places: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]] = WeakKeyDictionary()


async def work(method: Callable[..., Any], arguments: Mapping[str, Any], *, organization_id: str) -> Any:
    """What the method returns, called in a thread and in a copy of this context."""
    loop = asyncio.get_running_loop()
    place = _places.setdefault(loop, {}).setdefault(organization_id, asyncio.Semaphore(EACH))
    await place.acquire()
    call = partial(contextvars.copy_context().run, partial(method, **arguments))
    running = _threads.submit(call)

    def give_back(_: object) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(place.release)

    running.add_done_callback(give_back)
    return await asyncio.wrap_future(running)
