"""A TCP proxy before a server that does what networks do: delays, swallows, cuts, loses the answer to what was done."""

import asyncio
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

PIECE = 65_536


class FaultProxy:
    """Listens on a port of this machine and passes on to a unix socket. Its faults are set from any thread.

    `latency_s` is added to everything a client sends. `loses_next_answer`: what is asked next arrives and is done, but
    the connection ends before the answer.
    """

    def __init__(self, socket_path: str) -> None:
        self.latency_s = 0.0
        self.loses_next_answer = False
        self.connections = 0
        """How many there have been."""
        self._socket_path = socket_path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._open: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        self._passing.set()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def swallow(self) -> None:
        """Let nothing through any more, as if packets were lost; new connections stay without an answer."""
        self._loop.call_soon_threadsafe(self._passing.clear)

    def pass_on(self) -> None:
        """Let everything through again, what was kept first."""
        self._loop.call_soon_threadsafe(self._passing.set)

    def cut(self) -> None:
        """End every connection."""
        self._loop.call_soon_threadsafe(self._cut)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._passing.set()
        self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _cut(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        with suppress(OSError, asyncio.CancelledError):
            await self._passing.wait()
            to_server, server = await asyncio.open_unix_connection(self._socket_path)
            self._open.add(server)
            try:
                asking = asyncio.create_task(self._pump(reader, server, is_asking=True))
                answering = asyncio.create_task(self._pump(to_server, writer, is_asking=False))
                await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
                asking.cancel()
                answering.cancel()
            finally:
                server.transport.abort()
                self._open.discard(server)
        writer.transport.abort()
        self._open.discard(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_asking: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(PIECE):
                if is_asking:
                    await asyncio.sleep(self.latency_s)
                await self._passing.wait()
                if self.loses_next_answer and not is_asking:
                    self.loses_next_answer = False
                    return
                writer.write(data)
                await writer.drain()
