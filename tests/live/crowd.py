"""Many clients at once, each with a stream, as cheap as clients can be."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from tests.live.server import LiveServer

_RUN_ID = re.compile(rb"x-robutler-run-id: (\S+)")


@dataclass(kw_only=True)
class Crowd:
    """Reads one stream for each of many requests."""

    live: LiveServer
    requests: list[str]
    answers: list[bytes] = field(default_factory=list)

    async def listen(self, *, then: Callable[[], Coroutine[None, None, None]] | None = None) -> None:
        """Ask for everything and read to the end; once all streams have begun, do what is to be done meanwhile."""
        begun = asyncio.Barrier(len(self.requests) + 1)
        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(self._read(request, begun)) for request in self.requests]
            await begun.wait()
            if then is not None:
                await then()
        self.answers = [reader.result() for reader in readers]

    @property
    def run_ids(self) -> list[str]:
        """The runs behind the answers."""
        return [found[1].decode() for answer in self.answers if (found := _RUN_ID.search(answer))]

    @property
    def whole(self) -> int:
        """How many streams came to their proper end."""
        return sum(b'"finish_reason":"stop"' in answer and b"data: [DONE]" in answer for answer in self.answers)

    async def _read(self, request: str, begun: asyncio.Barrier) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.live.port)
        try:
            writer.write(request.encode())
            opening = await reader.readuntil(b"\r\n")
            assert b"200" in opening, opening + await reader.read(-1)
            opening += await reader.readuntil(b"data: ")
            await begun.wait()
            return opening + await reader.read(-1)
        finally:
            writer.close()
