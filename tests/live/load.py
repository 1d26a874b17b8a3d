"""A light load: a few clients who ask for this and that, and what they were told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.live.server import LiveServer

CLIENTS = 6
PAUSE_S = 0.2
HI = [{"role": "user", "content": "hi"}]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one client was told."""

    at: float
    seconds: float
    status: int
    code: str
    retry_after: str
    run_id: str


@dataclass(kw_only=True)
class Load:
    """Several clients that ask for this and that, over and over."""

    live: LiveServer
    key: str
    address: str
    told: list[Told] = field(default_factory=list)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Keep asking until the block ends."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with (
            httpx.AsyncClient(base_url=self.live.url, headers=headers, timeout=30) as http,
            asyncio.TaskGroup() as group,
        ):
            clients = [group.create_task(self._ask_on(http, number)) for number in range(CLIENTS)]
            yield
            for client in clients:
                client.cancel()

    async def _ask_on(self, http: httpx.AsyncClient, number: int) -> None:
        while True:
            await asyncio.sleep(PAUSE_S)
            since = time.monotonic()
            if number % 3 == 0:
                answer = await http.get("/v1/models")
            else:
                answer = await http.post("/v1/chat/completions", json={"model": self.address, "messages": HI})
            self.told.append(
                Told(
                    at=since,
                    seconds=time.monotonic() - since,
                    status=answer.status_code,
                    code=answer.json().get("error", {}).get("code", ""),
                    retry_after=answer.headers.get("retry-after", ""),
                    run_id=answer.headers.get("x-robutler-run-id", ""),
                )
            )
