"""Many requests of one key, all at once or one after the other, to one server or to several in turn."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from tests.live.server import LiveServer

HI = [{"role": "user", "content": "hi"}]


@dataclass(frozen=True, kw_only=True)
class Volley:
    """What was answered, and how long it all took."""

    answers: list[httpx.Response]
    seconds: float

    @property
    def served(self) -> int:
        """How many requests were let in."""
        return sum(answer.status_code == 200 for answer in self.answers)

    @property
    def refused(self) -> list[httpx.Response]:
        """Those that were not, and must have been for their number."""
        others = [answer for answer in self.answers if answer.status_code != 200]
        assert {answer.status_code for answer in others} <= {429}, {answer.text for answer in others}
        return others


async def all_at_once(servers: Sequence[LiveServer], *, key: str, address: str, count: int) -> Volley:
    """Ask so many times without waiting for answers."""
    since = time.monotonic()
    async with _clients(servers, key) as client_of, asyncio.TaskGroup() as group:
        asked = [group.create_task(_ask(client_of(number), address)) for number in range(count)]
    return Volley(answers=[task.result() for task in asked], seconds=time.monotonic() - since)


async def in_turn(servers: Sequence[LiveServer], *, key: str, address: str, count: int) -> Volley:
    """Ask so many times, each time after the answer before."""
    since = time.monotonic()
    async with _clients(servers, key) as client_of:
        answers = [await _ask(client_of(number), address) for number in range(count)]
    return Volley(answers=answers, seconds=time.monotonic() - since)


@asynccontextmanager
async def _clients(servers: Sequence[LiveServer], key: str) -> AsyncIterator[Callable[[int], httpx.AsyncClient]]:
    """A client for each server, in turn by the number of the request."""
    headers = {"Authorization": f"Bearer {key}"}
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=each.url, headers=headers, timeout=60))
            for each in servers
        ]
        yield lambda number: clients[number % len(clients)]


async def _ask(http: httpx.AsyncClient, address: str) -> httpx.Response:
    return await http.post("/v1/chat/completions", json={"model": address, "messages": HI})
