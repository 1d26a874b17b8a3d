"""Database work off the event loop: a bounded pool of threads, each piece with the caller's context."""

import asyncio
import contextvars
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import connections

from tenants.errors import TenantsUnavailable

P = ParamSpec("P")
T = TypeVar("T")

WAITING_PER_THREAD = 50


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns, run in a thread of this process's pool; its connection goes back afterwards."""
    pool = _pool(os.getpid())
    if pool.waiting() > WAITING_PER_THREAD * pool.size:
        raise TenantsUnavailable("Too much is waiting for the database; try again shortly.")
    call = functools.partial(contextvars.copy_context().run, _run, functools.partial(function, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(pool.executor, call)


async def answered(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same, for a look-up that a request waits for: only so long, then TenantsUnavailable is raised."""
    try:
        async with asyncio.timeout(settings.ROBUTLER.database_answer_s):
            return await in_thread(function, *args, **kwargs)
    except TimeoutError:
        raise TenantsUnavailable("The database did not answer in time; try again shortly.") from None


def submit(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run `function` in the pool some time soon; nobody waits, so it has to deal with its own failures."""
    call = functools.partial(contextvars.copy_context().run, _run, functools.partial(function, *args, **kwargs))
    _pool(os.getpid()).executor.submit(call)


class _Pool:
    def __init__(self) -> None:
        self.size: int = settings.ROBUTLER.database_pool_size
        self.executor = ThreadPoolExecutor(self.size, thread_name_prefix="database")

    def waiting(self) -> int:
        return self.executor._work_queue.qsize()


@functools.cache
def _pool(pid: int) -> _Pool:
    # One for each process: threads do not survive a fork.
    return _Pool()


def _run(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close()
