"""Asks for completions over raw sockets and times what comes back; costs far less than any client library."""

import argparse
import asyncio
import re
import sys
import time
from dataclasses import dataclass, field
from typing import cast

import msgspec

WORD = re.compile(rb'"content":"(\d{6,}) ')


@dataclass(kw_only=True)
class Figures:
    """What one run of the load saw; times in seconds."""

    requests: int = 0
    chunks: int = 0
    errors: int = 0
    elapsed_s: float = 0.0
    first_chunk_s: list[float] = field(default_factory=list)
    lag_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Reader(asyncio.Protocol):
    """One connection, one request at a time; `answer` resolves when a reply is complete."""

    def __init__(self, figures: Figures, *, stream: bool) -> None:
        self._figures = figures
        self._stream = stream
        self._buffer = b""
        self._asked_at = 0.0
        self._awaits_first = True
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> asyncio.Future[None]:
        """Send the request; the future ends with its reply."""
        self._buffer, self._awaits_first, self._asked_at = b"", True, time.monotonic()
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._buffer = (
            (self._buffer + data) if not self._stream or len(self._buffer) < 400 else self._buffer[-400:] + data
        )
        if self._stream:
            self._count(data, now)
            complete = b"data: [DONE]" in self._buffer and self._buffer.endswith(b"0\r\n\r\n")
        else:
            head, _, body = self._buffer.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            complete = length is not None and len(body) >= int(length[1])
        if complete and not self.answer.done():
            if not self._stream:
                self._figures.first_chunk_s.append(now - self._asked_at)
            self.answer.set_result(None)

    def _count(self, data: bytes, now: float) -> None:
        sent = [int(word) / 1e6 for word in WORD.findall(data)]
        if sent and self._awaits_first:
            self._awaits_first = False
            self._figures.first_chunk_s.append(now - self._asked_at)
        self._figures.chunks += len(sent)
        self._figures.lag_s.extend(now - moment for moment in sent)
        if self._awaits_first and self._buffer.startswith(b"HTTP/1.1") and not self._buffer.startswith(b"HTTP/1.1 200"):
            self._fail(self._buffer[:300].decode(errors="replace"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"connection lost: {exc}")

    def _fail(self, why: str) -> None:
        if not self.answer.done():
            self._figures.failures.append(why)
            self.answer.set_exception(ConnectionError(why))


def request_bytes(*, port: int, path: str, key: str, model: str, stream: bool, payment_token: str = "") -> bytes:
    """The whole HTTP request for one completion."""
    body = msgspec.json.encode(
        {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Say something."}]}
    )
    paid_by = f"X-Payment-Token: {payment_token}\r\n" if payment_token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"{paid_by}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def closed_loop(*, port: int, request: bytes, connections: int, seconds: float, stream: bool) -> Figures:
    """Each connection asks again as soon as it is answered, for `seconds`."""
    figures, started = Figures(), time.monotonic()

    async def one() -> None:
        _, reader = await asyncio.get_running_loop().create_connection(
            lambda: Reader(figures, stream=stream), "127.0.0.1", port
        )
        try:
            while time.monotonic() - started < seconds:
                await reader.ask(request)
                figures.requests += 1
        except ConnectionError:
            figures.errors += 1
        finally:
            reader.transport.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(one())
    figures.elapsed_s = time.monotonic() - started
    return figures


async def open_streams(*, port: int, request: bytes, streams: int, ramp_s: float) -> Figures:
    """Opens `streams` streams evenly over `ramp_s` and reads each to its end."""
    figures, started = Figures(), time.monotonic()

    async def one(number: int) -> None:
        await asyncio.sleep(ramp_s * number / streams)
        try:
            _, reader = await asyncio.get_running_loop().create_connection(
                lambda: Reader(figures, stream=True), "127.0.0.1", port
            )
            await reader.ask(request)
            figures.requests += 1
            reader.transport.close()
        except OSError:
            figures.errors += 1

    async with asyncio.TaskGroup() as group:
        for number in range(streams):
            group.create_task(one(number))
    figures.elapsed_s = time.monotonic() - started
    return figures


async def main() -> None:
    """Run one load as its arguments say and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/v1/chat/completions")
    parser.add_argument("--key", default="none")
    parser.add_argument("--payment-token", default="", help="who pays in place of the key's wallet")
    parser.add_argument("--model", required=True)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--streams", type=int, default=0, help="open this many streams once, instead of a closed loop")
    parser.add_argument("--ramp-s", type=float, default=2.0)
    asked = parser.parse_args()
    request = request_bytes(
        port=asked.port,
        path=asked.path,
        key=asked.key,
        model=asked.model,
        stream=asked.stream,
        payment_token=asked.payment_token,
    )
    if asked.streams:
        figures = await open_streams(port=asked.port, request=request, streams=asked.streams, ramp_s=asked.ramp_s)
    else:
        figures = await closed_loop(
            port=asked.port,
            request=request,
            connections=asked.connections,
            seconds=asked.seconds,
            stream=asked.stream,
        )
    sys.stdout.buffer.write(msgspec.json.encode(figures) + b"\n")


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
