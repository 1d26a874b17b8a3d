"""A server that answers with whatever bytes it is given, and the way out opened to it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import outbound


class Server:
    """Answers every connection with `answer`, after `pause_s`, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answer = b""
        self.more: bytes = b""
        self.pause_s = 0.0
        self.received: list[str] = []
        self.address = ""

    @property
    def url(self) -> str:
        return f"http://{self.address}/"

    def says(self, body: bytes = b"", *, status: str = "200 OK", length: int | None = None, **headers: str) -> None:
        """Answer so; a header's name is written with underscores."""
        size = len(body) if length is None else length
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.answer = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"content-length: (\d+)", head.lower())
            await reader.readexactly(int(length[1]) if length else 0)
            self.received.append(head)
            writer.write(self.answer)
            while self.more:
                await asyncio.sleep(self.pause_s)
                writer.write(self.more)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def running() -> AsyncIterator[Server]:
    """A server on a port of its own."""
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with listening:
        host, port = listening.sockets[0].getsockname()
        made.address = f"{host}:{port}"
        yield made


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with running() as made:
        outbound.configure(allow=[made.address])
        yield made
        await outbound.close_all()
        outbound.configure()
