"""What every plain ASGI route gets from the edge: an id, a bounded body, honest errors, a count and one log line."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias
from uuid import UUID, uuid4

import structlog
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from django.conf import settings
from opentelemetry.trace import Span
from prometheus_client import Counter
from structlog.contextvars import bind_contextvars, clear_contextvars

from api import metrics, performance
from api.cors import cors_headers, is_api, preflight_headers
from api.errors import problem_of
from api.limits import headers_of as limit_headers
from api.problems import Headers, Problem, Refused, body_of, headers_of
from api.tracing import answered, trace_id_of, traced
from tenants.caller import Caller

CLIENT_GONE = 499
QUIET = frozenset({"live", "ready", "health", "health.detailed", "metrics", "stats"})

_LINGER_BYTES = 1_000_000
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_JSON_TYPE = re.compile(rb"(?:application/(?:[\w.+-]+\+)?json|text/json)\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)
_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'"),
]

_log = structlog.get_logger("robutler.request")


class ClientGone(Exception):
    """The client closed the connection, or reads no more; there is nobody to answer."""


class Tape(Protocol):
    """Takes down an answer as it is sent."""

    problem: Problem | None
    """What went wrong after the answer had begun."""

    def begin(self, status: int, headers: Headers) -> None:
        """Note how it begins."""

    async def note(self, piece: bytes, *, more: bool) -> None:
        """Note a piece of it, before it goes out."""


class Exchange:
    """One request and its answer. Handlers read from it and answer through it."""

    def __init__(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self.scope = scope
        self.receive = receive
        self.started_at = time.perf_counter()
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = request_id_of(self.headers)
        self.trace_id = ""
        self.caller: Caller | None = None
        """Who asks, once that is known; every answer then tells what is left of the caller's limits."""
        self.status = 0
        self.facts: dict[str, object] = {}
        """What the log line says besides the usual."""
        self.fail: Callable[[Problem], Awaitable[None]] | None = None
        """How a problem is told once the answer has begun."""
        self._send = send
        self.run_id: UUID | None = None
        """The id that the run of this request has to have, where that is settled beforehand."""
        self.retry_of: UUID | None = None
        """The run of an earlier try of the same request."""
        self.tape: Tape | None = None
        """Takes down what is answered, where that may be asked for again."""
        self._read_bytes = 0
        self._body_is_read = False
        self._given_back: bytes | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the request came in."""
        return time.perf_counter() - self.started_at

    def note(self, **facts: object) -> None:
        """Have the request's log line say this, and every line that is written for it from now on."""
        self.facts.update(facts)
        bind_contextvars(**facts)

    @property
    def address(self) -> str | None:
        """Where the request comes from; the server believes what proxies say of it only if they are trusted."""
        client = self.scope["client"]
        return None if client is None else client[0]

    async def body(self, *, limit: int) -> bytes:
        """The JSON text of the request, within `limit` bytes and in time."""
        if (given_back := self._given_back) is not None:
            self._given_back = None
            return given_back
        self.refuse_encoding()
        self._refuse_type()
        self.refuse_size(limit)
        pieces, more = [], True
        try:
            async with asyncio.timeout(settings.ROBUTLER.body_s):
                while more:
                    message = await self.receive()
                    if message["type"] != "http.request":
                        raise ClientGone
                    pieces.append(message.get("body", b""))
                    self._read_bytes += len(pieces[-1])
                    if self._read_bytes > limit:
                        raise too_large(limit)
                    more = message.get("more_body", False)
        except TimeoutError:
            raise too_slow() from None
        self._body_is_read = True
        return b"".join(pieces)

    def give_back(self, body: bytes) -> None:
        """Let the body be read once more."""
        self._given_back = body

    def refuse_encoding(self) -> None:
        """Refuse a compressed body: what it would grow to is anybody's guess."""
        encoding = self.headers.get(b"content-encoding", b"identity").lower()
        if encoding != b"identity":
            raise _unsupported("The body is compressed. Send it as it is.")

    def refuse_size(self, limit: int) -> None:
        """Refuse a body that says of itself that it is too large."""
        if self._announced_bytes() > limit:
            raise too_large(limit)

    def marks(self) -> Headers:
        """The headers that every answer carries, whoever makes it."""
        return [
            (b"x-request-id", self.request_id.encode()),
            (b"openai-processing-ms", b"%d" % (self.elapsed_s * 1000)),
            (b"openai-version", b"2020-10-01"),
            *(() if self.caller is None else limit_headers(self.caller)),
        ]

    async def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Send the status and the headers, and those that every answer carries."""
        self.status = status
        if self.tape is not None:
            self.tape.begin(status, list(headers))
        every: Headers = [*self.marks(), *_ALWAYS, *cors_headers(self.scope["path"], self.headers), *headers]
        await self._send({"type": "http.response.start", "status": status, "headers": every, "trailers": False})

    async def write(self, body: bytes, *, more: bool) -> None:
        """Send a piece of the answer's body."""
        if self.tape is not None:
            await self.tape.note(body, more=more)
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(
        self,
        status: int,
        body: bytes,
        headers: Sequence[tuple[bytes, bytes]] = (),
        *,
        content_type: bytes = b"application/json",
    ) -> None:
        """Send a whole answer, JSON unless it says otherwise."""
        length = (b"content-length", b"%d" % len(body))
        await self.start(status, [(b"content-type", content_type), length, *headers])
        await self.write(body, more=False)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem. A body still on its way is read on and thrown away, so that its sender hears us."""
        body, headers = body_of(problem), headers_of(problem)
        if self._body_is_read or not self._has_body():
            await self.answer(problem.status, body, headers)
            return
        length = (b"content-length", b"%d" % len(body))
        close = (b"connection", b"close")
        await self.start(problem.status, [(b"content-type", b"application/json"), length, close, *headers])
        waits_for_us = b"expect" in self.headers and not self._read_bytes
        await self.write(body, more=not waits_for_us)
        if not waits_for_us:
            await self._linger()
            await self.write(b"", more=False)

    def _announced_bytes(self) -> int:
        announced = self.headers.get(b"content-length", b"0")
        return int(announced) if announced.isdigit() else 0

    def _has_body(self) -> bool:
        return self.headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in self.headers

    async def _linger(self) -> None:
        """Many clients send to the end before they listen: let them, if that is near, else for one limit's worth."""
        limit = settings.ROBUTLER.body_limit_bytes
        left = announced if (announced := self._announced_bytes()) <= 2 * limit else limit
        left = max(_LINGER_BYTES, left - self._read_bytes)
        try:
            async with asyncio.timeout(settings.ROBUTLER.linger_s):
                while left > 0:
                    message = await self.receive()
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return

    def _refuse_type(self) -> None:
        kind = self.headers.get(b"content-type", b"")
        if kind and not _JSON_TYPE.fullmatch(kind):
            raise _unsupported("The body must be JSON. Send 'Content-Type: application/json'.")


Handler: TypeAlias = Callable[[Exchange], Awaitable[None]]


async def serve(
    exchange: Exchange, handler: Handler, *, route: str, errors: Callable[[str], Counter] | None = None
) -> None:
    """Have `handler` answer; whatever it raises becomes an answer too. Every request is traced, counted and logged."""
    metrics.in_progress.inc()
    performance.everybody.active += 1
    problem: Problem | None = None
    with traced(exchange.headers, method=metrics.known(exchange.scope["method"]), route=route) as span:
        exchange.trace_id = trace_id_of(span)
        clear_contextvars()
        bind_contextvars(request_id=exchange.request_id, trace_id=exchange.trace_id)
        try:
            await (_preflight if _is_preflight(exchange.scope) else handler)(exchange)
        except ClientGone:
            exchange.status = CLIENT_GONE
        except Exception as error:  # noqa: BLE001 the edge of a request is where everything ends up
            problem = recorded(error, exchange.request_id)
            if errors is not None:
                errors(problem.code).inc()
            if not exchange.status:
                await exchange.refuse(problem)
            elif exchange.fail is not None:
                if exchange.tape is not None:
                    exchange.tape.problem = problem
                await exchange.fail(problem)
        finally:
            metrics.in_progress.dec()
            performance.everybody.active -= 1
            _note(exchange, problem, span, route=route)


def _is_preflight(scope: HTTPScope) -> bool:
    return scope["method"] == "OPTIONS" and is_api(scope["path"])


async def _preflight(exchange: Exchange) -> None:
    """Say to a browser what it may ask for, the same at every address of the API's."""
    await exchange.start(204, preflight_headers(exchange.scope["path"], exchange.headers))
    await exchange.write(b"", more=False)


def _note(exchange: Exchange, problem: Problem | None, span: Span, *, route: str) -> None:
    """Count, trace and log what was answered."""
    method, status, seconds = exchange.scope["method"], exchange.status, exchange.elapsed_s
    metrics.answered(method=method, route=route, status=status, seconds=seconds)
    if route not in QUIET:
        performance.answered(exchange.caller, status=status, seconds=seconds)
    answered(span, status=status, error_type=problem.code if problem else None)
    # Probes come every few seconds; only what is wrong with them is worth a line.
    level = logging.DEBUG if route in QUIET and status < 400 else logging.INFO
    _log.log(
        level,
        "request",
        method=method,
        route=route,
        status=status,
        duration_ms=round(seconds * 1000, 3),
        **({"code": problem.code} if problem else {}),
        **exchange.facts,
    )


def recorded(error: Exception, request_id: str) -> Problem:
    """The problem that `error` is; one that nobody foresaw is logged with its traceback."""
    problem = problem_of(error)
    if problem.status == 500:
        _log.error("unexpected error", request_id=request_id, exc_info=error)
    return problem


def request_id_of(headers: dict[bytes, bytes]) -> str:
    """The client's own id for the request when it is a sensible one, else a new one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else f"req_{uuid4().hex}"


def method_not_allowed(*allowed: str) -> Refused:
    """The refusal of a method that a route does not know."""
    return Refused(
        Problem(
            status=405,
            type="invalid_request_error",
            code="method_not_allowed",
            message=f"This address takes {' and '.join(allowed)} only.",
            extra_headers=((b"allow", ", ".join(allowed).encode()),),
        )
    )


def too_large(limit: int) -> Refused:
    """The refusal of a body beyond `limit` bytes."""
    message = f"The body is larger than {limit} bytes."
    return Refused(Problem(status=413, type="invalid_request_error", code="request_too_large", message=message))


def too_slow() -> Refused:
    """The refusal of a body that takes too long to arrive."""
    message = f"The body did not arrive within {settings.ROBUTLER.body_s:g} seconds."
    return Refused(Problem(status=408, type="timeout_error", code="request_timeout", message=message))


def _unsupported(message: str) -> Refused:
    return Refused(Problem(status=415, type="invalid_request_error", code="unsupported_media_type", message=message))
