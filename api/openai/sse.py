"""A stream of server-sent events to one client: kept alive, watched, and cut when nobody reads it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from api import metrics
from api.company import departure
from api.edge import ClientGone, Exchange
from api.problems import Headers, Problem, body_of

KEEP_ALIVE = b": keep-alive\n\n"
STALL_SECONDS = 30.0

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """Sends pieces as they come. The status goes out with the first of them, so what fails before is told honestly."""

    def __init__(
        self, exchange: Exchange, *, headers: Headers, keep_alive_s: float, failure: Callable[[bytes], bytes]
    ) -> None:
        self._exchange = exchange
        self._headers = headers
        self._keep_alive_s = keep_alive_s
        self._failure = failure
        self._now = asyncio.get_running_loop().time
        self._last_sent_at = self._now()
        self._writing_since: float | None = None

    async def send(self, data: bytes, *, more: bool = True) -> None:
        """Send a piece. Waits while the client's connection is full."""
        self._writing_since = self._now()
        if not self._exchange.status:
            metrics.first_chunk.observe(self._exchange.elapsed_s)
            self._exchange.fail = self._fail
            await self._exchange.start(200, [*_HEADERS, *self._headers])
        await self._exchange.write(data, more=more)
        self._last_sent_at = self._now()
        self._writing_since = None

    async def keep_company(self) -> None:
        """Beside the sending: a comment after each silence, and ClientGone once the client left or stopped reading."""
        while True:
            try:
                async with asyncio.timeout_at(self._next_look()):
                    await departure(self._exchange)
            except TimeoutError:
                await self._look()

    def _next_look(self) -> float:
        if self._writing_since is not None:
            return self._writing_since + STALL_SECONDS
        return self._last_sent_at + self._keep_alive_s

    async def _look(self) -> None:
        now = self._now()
        if self._writing_since is not None:
            if now >= self._writing_since + STALL_SECONDS:
                await _cut(self._exchange.raw_send)
                raise ClientGone
        elif now >= self._last_sent_at + self._keep_alive_s:
            await self._send_in_time(KEEP_ALIVE, more=True)

    async def _send_in_time(self, data: bytes, *, more: bool) -> None:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self.send(data, more=more)
        except TimeoutError:
            await _cut(self._exchange.raw_send)
            raise ClientGone from None

    async def _fail(self, problem: Problem) -> None:
        """The end of a stream that went wrong. Nobody watches the client any more, so this write has its own limit."""
        with suppress(ClientGone):
            await self._send_in_time(self._failure(body_of(problem)), more=False)


async def _cut(send: Any) -> None:
    """Break the connection. ASGI has no word for it, so uvicorn's own transport is reached through its `send`."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()
        await asyncio.sleep(0)  # the server hears of it in the loop's next round
