"""A stream of server-sent events to one client: kept alive while there is nothing to say, and watched."""

import asyncio
from collections.abc import Callable

from api import metrics
from api.company import departure
from api.edge import Exchange
from api.problems import Headers, Problem, body_of

KEEP_ALIVE = b": keep-alive\n\n"

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """Sends pieces as they come. The status goes out with the first of them, so what fails before is told honestly."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        headers: Callable[[], Headers],
        keep_alive_s: float,
        failure: Callable[[bytes], bytes],
    ) -> None:
        self._exchange = exchange
        self._headers = headers
        self._keep_alive_s = keep_alive_s
        self._failure = failure
        self._now = asyncio.get_running_loop().time
        self._last_sent_at = self._now()
        self._is_writing = False

    async def send(self, data: bytes, *, more: bool = True) -> None:
        """Send a piece. Waits while the client's connection is full; whoever reads nothing is cut off by the server."""
        self._is_writing = True
        if not self._exchange.status:
            metrics.first_chunk.observe(self._exchange.elapsed_s)
            self._exchange.fail = self._fail
            await self._exchange.start(200, [*_HEADERS, *self._headers()])
        await self._exchange.write(data, more=more)
        self._last_sent_at = self._now()
        self._is_writing = False

    async def keep_company(self) -> None:
        """Beside the sending: a comment after each silence, and ClientGone once the client left."""
        while True:
            try:
                async with asyncio.timeout_at(self._next_look()):
                    await departure(self._exchange)
            except TimeoutError:
                if not self._is_writing and self._now() >= self._next_look():
                    await self.send(KEEP_ALIVE)

    def _next_look(self) -> float:
        return (self._now() if self._is_writing else self._last_sent_at) + self._keep_alive_s

    async def _fail(self, problem: Problem) -> None:
        """The end of a stream that went wrong."""
        await self.send(self._failure(body_of(problem)), more=False)
