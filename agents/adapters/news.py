"""Waiting for a row to change: woken by NOTIFY, and looking now and then in case the news was lost."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from uuid import UUID

from django.db import DatabaseError

from tenants import notify
from tenants.errors import TenantsUnavailable

T = TypeVar("T")

LOOK_AGAIN_S: Final = 10.0


class News:
    """Who waits in this process for rows of one kind."""

    def __init__(self, topic: str) -> None:
        self._waiting: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}
        notify.subscribe(topic, self._changed)

    async def until(self, id: UUID, look: Callable[[], Awaitable[T | None]]) -> T:
        """What `look` answers, as soon as it answers anything; while the database is away it is asked again."""
        notify.start_listener()
        news = asyncio.Event()
        self._waiting[str(id)] = (asyncio.get_running_loop(), news)
        try:
            while True:
                try:
                    found = await look()
                except (DatabaseError, TenantsUnavailable):
                    found = None
                if found is not None:
                    return found
                try:
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        await news.wait()
                except TimeoutError:
                    continue
                news.clear()
        finally:
            self._waiting.pop(str(id), None)

    def _changed(self, key: str | None) -> None:
        for id, (loop, news) in tuple(self._waiting.items()):
            if key in (None, id):
                loop.call_soon_threadsafe(news.set)
