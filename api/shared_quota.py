"""Windows that web processes share: each takes from Redis what it is about to use, and a little to spare."""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

from api.sharing import Away, Link
from api.windows import Window

SPARE: Final = 100
"""All processes together hold back at most this part of a limit, one in so many."""
ASK_AGAIN_S: Final = 0.25
"""Tokens come back when runs end, so it is worth asking again before their window ends."""

# For each window: how much of it is used by all, and how much of what is wanted is given. What was used without having
# been given is owed; what was given and not used comes back as a negative debt. A window opens with its first use.
_TAKE: Final = """
local answers = {}
for i, key in ipairs(KEYS) do
    local limit, period = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
    local owed, wanted = tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i])
    local used, is_new = tonumber(redis.call('GET', key)), 0
    if not used then
        used, is_new, owed = 0, 1, math.max(owed, 0)
    end
    used = math.max(used + owed, 0)
    local given = math.max(math.min(wanted, limit - used), 0)
    used = used + given
    if is_new == 1 then
        redis.call('SET', key, used, 'PX', period)
    else
        redis.call('SET', key, used, 'KEEPTTL')
    end
    answers[i] = {given, used, redis.call('PTTL', key), is_new}
end
return answers
"""


class _Batch:
    """What is asked for in one go."""

    def __init__(self) -> None:
        self.wanted: dict[Window, int] = {}
        self.is_answered = asyncio.Event()


class SharedQuota:
    """Fills windows from Redis. While one question is under way, the next is gathered.

    While Redis is away each of `processes` grants itself its part of every limit, and no more.
    """

    def __init__(self, link: Link, *, processes: int) -> None:
        self._link = link
        self._processes = processes
        self._gathering = _Batch()
        self._asking: asyncio.Task[None] | None = None

    async def fill(self, demand: Iterable[tuple[Window, int]]) -> None:
        """Have room for so much in each window, as far as there is any."""
        await self._ask_for(demand).is_answered.wait()

    def tell(self, windows: Iterable[Window]) -> None:
        """Let others know, soon, what was really used of these windows."""
        self._ask_for((window, 0) for window in windows)

    def _ask_for(self, demand: Iterable[tuple[Window, int]]) -> _Batch:
        batch = self._gathering
        for window, amount in demand:
            batch.wanted[window] = batch.wanted.get(window, 0) + amount
        if batch.wanted and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask(), name="limits")
        return batch

    async def _ask(self) -> None:
        while self._gathering.wanted:
            batch, self._gathering = self._gathering, _Batch()
            try:
                await self._answer(batch.wanted)
            finally:
                batch.is_answered.set()

    async def _answer(self, wanted: dict[Window, int]) -> None:
        asked = [(window, amount, window.turn, window.used, window.granted) for window, amount in wanted.items()]
        values: list[int] = []
        for window, amount, _, used, granted in asked:
            spare = window.limit // (SPARE * self._processes) if amount else 0
            values += (window.limit, int(window.period_s * 1_000), used - granted, amount + spare)
        try:
            answers = await self._link.run(
                _TAKE, keys=[f"robutler:limit:{window.key}" for window in wanted], values=values
            )
        except Away:
            for window in wanted:
                window.go_alone(window.limit // self._processes, until=self._link.away_until)
            return
        now = time.monotonic()
        for (window, amount, turn, used, granted), (given, total, left_ms, is_new) in zip(asked, answers, strict=True):
            if window.turn != turn:
                continue  # Its time is over: what was given went with it, and whoever waits asks again.
            if is_new:
                owed = max(0, used - granted)
                window.used += owed - used
                used = owed
            window.granted = used + given
            window.others = max(0, total - window.granted)
            window.ends_at = now + left_ms / 1_000
            window.ask_at = now if given >= amount else self._ask_again_at(window, now)

    @staticmethod
    def _ask_again_at(window: Window, now: float) -> float:
        return min(window.ends_at, now + ASK_AGAIN_S) if window.name.startswith("tokens") else window.ends_at
