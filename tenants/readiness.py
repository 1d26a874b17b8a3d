"""Whether the database answers and has every table this code expects."""

import asyncio
import os
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Final

from django.db import DatabaseError, connections
from django.db.migrations.loader import MigrationLoader

from tenants import context

AWAY: Final = "the database does not answer"
BEHIND: Final = "migrations are not applied"
PATIENCE_S: Final = 2.0


class _State:
    is_complete = False
    """Applied migrations stay applied, so they are looked up once per process."""
    looking: "Future[str | None] | None" = None


async def readiness() -> str | None:
    """Why requests cannot be served now; None when they can. Answers in bounded time.

    The look has a thread of its own, so that it waits for no other work, and all who ask meanwhile share it: one that
    hangs is not joined by a second.
    """
    if _State.looking is None or _State.looking.done():
        _State.looking = _thread(os.getpid()).submit(_look)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.shield(asyncio.wrap_future(_State.looking))
    except TimeoutError:
        return AWAY


def not_ready_because() -> str | None:
    """The same, in the thread that asks, however long it takes."""
    try:
        with connections[context.APP].cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _State.is_complete:
            _State.is_complete = not _pending()
    except DatabaseError:
        return AWAY
    return None if _State.is_complete else BEHIND


def _look() -> str | None:
    try:
        return not_ready_because()
    finally:
        connections[context.APP].close()


@cache
def _thread(pid: int) -> ThreadPoolExecutor:
    # One for each process: threads do not survive a fork.
    return ThreadPoolExecutor(1, thread_name_prefix="readiness")


def _pending() -> set[tuple[str, str]]:
    loader = MigrationLoader(connections[context.APP])
    return set(loader.graph.nodes) - set(loader.applied_migrations)
