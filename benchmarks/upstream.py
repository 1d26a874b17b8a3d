"""A model provider that costs almost nothing: speaks just enough of OpenAI's wire format to be measured against.

The model's name says what it answers: `words-<n>-<gap ms>` streams n words with that gap between them. Every word
carries the moment it was sent (CLOCK_MONOTONIC, microseconds), so that a reader on the same machine knows its lag.
"""

import argparse
import asyncio
import time
from typing import Final, cast

import msgspec

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: "
STREAM_HEAD: Final = HEAD + b"text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WORD: Final = (
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp",'
    '"choices":[{"index":0,"delta":{"content":"%d "},"logprobs":null,"finish_reason":null}]}'
)
LAST: Final = (
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp",'
    '"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}'
)
USAGE: Final = (
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],'
    '"usage":{"prompt_tokens":9,"completion_tokens":%d,"total_tokens":%d}}'
)
WHOLE: Final = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    '{"role":"assistant","content":"%d "},"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":9,"completion_tokens":%d,"total_tokens":%d}}'
)


class Asked(msgspec.Struct):
    """What matters of a completion request."""

    model: str
    stream: bool = False


class Provider(asyncio.Protocol):
    """One connection: requests in turn, each answered as its model's name says."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._streaming: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._streaming is not None:
            self._streaming.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _content_length(self._buffer[:end])
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(msgspec.json.decode(body, type=Asked))

    def _answer(self, asked: Asked) -> None:
        _, words, gap_ms = asked.model.split("-")
        if not asked.stream:
            body = (WHOLE % (_now_us(), int(words), 9 + int(words))).encode()
            self._write(HEAD + b"application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        elif int(gap_ms) == 0:
            self._write(
                STREAM_HEAD + b"".join(_event(WORD % _now_us()) for _ in range(int(words))) + _ending(int(words))
            )
        else:
            self._streaming = asyncio.get_running_loop().create_task(self._stream(int(words), int(gap_ms) / 1000))

    async def _stream(self, words: int, gap_s: float) -> None:
        self._write(STREAM_HEAD)
        for _ in range(words):
            self._write(_event(WORD % _now_us()))
            await asyncio.sleep(gap_s)
        self._write(_ending(words))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def _event(payload: str) -> bytes:
    data = b"data: " + payload.encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def _ending(words: int) -> bytes:
    return _event(LAST) + _event(USAGE % (words, 9 + words)) + _event("[DONE]") + b"0\r\n\r\n"


async def serve(port: int) -> None:
    """Answer on 127.0.0.1:`port` until cancelled."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
