"""HTTP/1.1 as uvicorn speaks it, with bounds: on what comes before a body, on connections, on answers nobody reads."""

import asyncio
import fcntl
import struct
import termios
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import structlog
from django.conf import settings
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api import drain, metrics
from api.problems import Problem, body_of, headers_of

ROUTE: Final = "connection"
_VERSIONS: Final = ("1.0", "1.1")
_LOOKS_PER_STALL: Final = 5
_BETWEEN: Final = len(b": \r\n")

_log = structlog.get_logger("robutler.request")


class TooLong(Exception):
    """A part of a request other than its body is longer than we read."""


class TooOld(Exception):
    """A version of HTTP without headers."""


class BoundedHttp(HttpToolsProtocol):
    """One connection of a client.

    uvicorn itself waits for ever for a head, takes one of any size, and keeps what a client does not read. Here the
    head has a deadline and a size, connections have a number, and a client that takes nothing in is cut off.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = settings.ROBUTLER
        self._head_bytes = 0
        self._idle_bytes = 0
        self._made_progress = False
        self._in_head = False
        self._is_handed_over = False
        self._refusal: Problem | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._unsent = (0, 0.0)

    # --- the connection -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._bounds.max_connections:
            self._refuse(_full())
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        self._forget_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._made_progress = False
        super().data_received(data)
        if self._is_handed_over or self.transport.is_closing():
            return
        # A name, a value or a chunk's extension that never ends is kept by the parser, which tells of nothing until it
        # does.
        self._idle_bytes = 0 if self._made_progress else self._idle_bytes + len(data)
        if self._idle_bytes > self._bounds.head_limit_bytes:
            self._refuse(_too_long(self._bounds.head_limit_bytes))
        elif not self._is_answering and self._head_timer is None:
            self._await_head()

    def handle_websocket_upgrade(self) -> None:
        self._is_handed_over = True
        super().handle_websocket_upgrade()

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    # --- what comes before a body -------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        self._forget_head()  # whatever was waited for; this one gets a deadline of its own unless it is here whole

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._made_progress = True
        self._count(len(name) + len(value) + _BETWEEN)
        if self._in_head:  # what comes after a body says nothing about the request
            super().on_header(name, value)
        if len(self.headers) > self._bounds.head_limit_fields:
            self._refusal = _too_many(self._bounds.head_limit_fields)
            raise TooLong

    def on_headers_complete(self) -> None:
        if self.parser.get_http_version() not in _VERSIONS:
            raise TooOld
        self._in_head = False
        self._made_progress = True
        self._forget_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._made_progress = True
        super().on_body(body)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._bounds.head_limit_bytes:
            self._refusal = _too_long(self._bounds.head_limit_bytes)
            raise TooLong

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._bounds.head_s, self._head_is_late)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._in_head:
            self._refuse(_too_slow(self._bounds.head_s))
        else:
            self.transport.close()

    # --- answers ------------------------------------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if drain.is_draining():
            cycle.keep_alive = False
        if cycle.scope["http_version"] == "1.0":
            app = partial(_without_chunks, app)
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when the parser gives up."""
        self._refuse(self._refusal or _malformed())

    def _refuse(self, problem: Problem) -> None:
        """Answer in place of the application and hang up; where it answers already, only hang up."""
        metrics.answered(method="", route=ROUTE, status=problem.status, seconds=0)
        request_id = f"req_{uuid4().hex}"
        _log.info("request", request_id=request_id, route=ROUTE, status=problem.status, code=problem.code)
        cycle = self.cycle if self._is_answering else None
        if cycle is None or (cycle.more_body and not cycle.response_started):
            self.transport.write(_answer(problem, request_id, self.server_state.default_headers))
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self._forget_head()
        self.transport.close()
        self._watch_writing()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self._watch_writing()

    # --- clients that do not read -------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget_writing()

    def _watch_writing(self) -> None:
        if self._write_timer is None:
            self._unsent = (self._unsent_bytes(), self.loop.time())
            self._look_again()

    def _look_again(self) -> None:
        pause_s = self._bounds.write_stall_s / _LOOKS_PER_STALL
        self._write_timer = self.loop.call_later(pause_s, self._look_at_writing)

    def _look_at_writing(self) -> None:
        """Cut the client off if it has taken nothing in for too long. Slowly is well enough."""
        self._write_timer = None
        if not self.transport.get_write_buffer_size():
            return
        now, (before, since) = self.loop.time(), self._unsent
        left = self._unsent_bytes()
        if left != before:
            self._unsent = (left, now)
        elif now - since >= self._bounds.write_stall_s:
            self.transport.abort()
            return
        self._look_again()

    def _forget_writing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _unsent_bytes(self) -> int:
        """What the client has not taken in: here, and in the system's own buffer, which is filled in large steps."""
        kept = self.transport.get_write_buffer_size()
        try:
            queued = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return kept
        return kept + int(struct.unpack("i", queued)[0])


async def _without_chunks(
    app: ASGI3Application, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Answer HTTP/1.0, which knows no chunks: what has no length ends with the connection."""
    cycle: RequestResponseCycle = send.__self__  # type: ignore[attr-defined]
    ends_by_closing = False

    async def told(message: ASGISendEvent) -> None:
        nonlocal ends_by_closing
        if message["type"] == "http.response.start":
            ends_by_closing = not _has_length(message.get("headers", ()))
            cycle.chunked_encoding = False if ends_by_closing else None
        elif message["type"] == "http.response.body" and ends_by_closing and cycle.scope["method"] != "HEAD":
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    await app(scope, receive, told)


def _has_length(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(bytes(name).lower() == b"content-length" for name, _ in headers)


def _answer(problem: Problem, request_id: str, defaults: Iterable[tuple[bytes, bytes]]) -> bytes:
    body = body_of(problem)
    headers = [
        *defaults,
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        (b"x-request-id", request_id.encode()),
        *headers_of(problem),
    ]
    line = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n".encode()
    return line + b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n" + body


def _malformed() -> Problem:
    message = "The request is not HTTP as we understand it."
    return Problem(status=400, type="invalid_request_error", code="invalid_request", message=message)


def _too_long(limit: int) -> Problem:
    message = f"The address and the headers of the request are larger than {limit} bytes together."
    return Problem(status=431, type="invalid_request_error", code="headers_too_large", message=message)


def _too_many(limit: int) -> Problem:
    message = f"The request has more than {limit} headers."
    return Problem(status=431, type="invalid_request_error", code="headers_too_large", message=message)


def _too_slow(seconds: float) -> Problem:
    message = f"The headers of the request did not arrive within {seconds:g} seconds."
    return Problem(status=408, type="timeout_error", code="request_timeout", message=message)


def _full() -> Problem:
    message = "Too many connections are open. Try again shortly."
    return Problem(status=503, type="server_error", code="service_unavailable", message=message, retry_after_s=1)
