"""Places for requests in progress: so many at once for one subject, in this process or in all that share them."""

import asyncio
from collections import Counter
from collections.abc import Hashable
from contextlib import suppress
from typing import Final, TypeAlias
from uuid import uuid4

from api.sharing import Away, Link
from api.windows import shared_name

LEASE_S: Final = 3.0
"""A place whose process was killed is free again after so long."""
REFRESH_S: Final = 1.0

Place: TypeAlias = tuple[str, Hashable]
"""A scope, and who it is."""

_CLOCK: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
_ENTER: Final = f"""{_CLOCK}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then
    return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
_STAY: Final = f"""{_CLOCK}
for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, now + ARGV[1], ARGV[i + 1])
    redis.call('PEXPIRE', key, ARGV[1])
end
"""
_LEAVE: Final = "redis.call('ZREM', KEYS[1], ARGV[1])"


class Held:
    """One place that is taken."""

    __slots__ = ("id", "place", "shared_as")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.id = uuid4().hex
        self.shared_as = f"robutler:places:{place[0]}:{shared_name(place[1])}"


class Places:
    """Who holds how many places. With a link they are leased in Redis; while that is away, a part of them is ours."""

    def __init__(self, link: Link | None = None, *, processes: int = 1) -> None:
        self._link = link
        self._processes = processes
        self._held: Counter[Place] = Counter()
        self._leased: set[Held] = set()
        self._refreshing: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._in_order = asyncio.Lock()
        """So that nothing is refreshed after it was given back."""

    def __len__(self) -> int:
        return self._held.total()

    async def enter(self, place: Place, *, most: int) -> Held | None:
        """Take one of `most` places; None when all are taken."""
        if self._held[place] >= most:
            return None
        held = Held(place)
        self._held[place] += 1
        if self._link is not None and not await self._lease(held, self._link, most):
            self.leave(held)
            return None
        return held

    def leave(self, held: Held) -> None:
        """Give a place back."""
        self._held[held.place] -= 1
        if not self._held[held.place]:
            del self._held[held.place]
        if held in self._leased and self._link is not None:
            self._leased.discard(held)
            task = asyncio.create_task(self._return(held, self._link))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _lease(self, held: Held, link: Link, most: int) -> bool:
        try:
            entered = await link.run(_ENTER, keys=[held.shared_as], values=[most, held.id, int(LEASE_S * 1_000)])
        except Away:
            return self._held[held.place] <= max(1, most // self._processes)
        except BaseException:
            self.leave(held)  # The request was given up meanwhile; its lease runs out.
            raise
        if entered:
            self._leased.add(held)
            if self._refreshing is None or self._refreshing.done():
                self._refreshing = asyncio.create_task(self._refresh(link), name="places")
        return bool(entered)

    async def _refresh(self, link: Link) -> None:
        while self._leased:
            await asyncio.sleep(REFRESH_S)
            async with self._in_order:
                leased = list(self._leased)
                keys, ids = [held.shared_as for held in leased], [held.id for held in leased]
                with suppress(Away):
                    await link.run(_STAY, keys=keys, values=[int(LEASE_S * 1_000), *ids])

    async def _return(self, held: Held, link: Link) -> None:
        async with self._in_order:
            with suppress(Away):  # then it runs out by itself
                await link.run(_LEAVE, keys=[held.shared_as], values=[held.id])
