"""Speaks HTTP/1.1 for the fake upstream on bare asyncio, fast enough to be the far end of a benchmark."""

import asyncio
import json
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from threading import Condition
from typing import Any, cast

from tests.fakes import upstream_embeddings as embeddings
from tests.fakes import upstream_messages as messages
from tests.fakes import upstream_replies as replies
from tests.fakes import upstream_scripts as scripts
from tests.fakes.upstream_messages import MessagesReply
from tests.fakes.upstream_orders import Order, order_of
from tests.fakes.upstream_replies import Reply
from tests.fakes.upstream_scripts import Cut, End, Pause, Sale, Stall, Step
from tests.fakes.upstream_truth import Truth

BATCH_BYTES = 16_384
LOG_ENTRIES = 20_000
BODY_BYTES_MAX = 64_000_000


@dataclass(kw_only=True, eq=False)
class Connection:
    """One TCP connection, in the log. Times are `time.monotonic()`, which processes of one machine share."""

    id: int
    opened_at: float
    closed_at: float | None = None
    requests: int = 0


@dataclass(kw_only=True, eq=False)
class Exchange:
    """One request, in the log: what came, what was sold, and how it ended."""

    id: int = field(default_factory=count(1).__next__)
    connection: int
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any] | None
    order: str = ""
    started_at: float
    status: int = 0
    sale: Sale = field(default_factory=Sale)
    finished_at: float | None = None
    aborted_at: float | None = None
    """When the client hung up before the reply was complete."""
    cut_at: float | None = None
    """When we did."""

    def as_json(self) -> dict[str, Any]:
        """The entry as GET /_log shows it."""
        told = {name: value for name, value in vars(self).items() if name != "sale"}
        return told | {"tokens_sold": self.sale.tokens}


class Log:
    """The truth about what happened; tests wait on it."""

    def __init__(self, *, lean: bool = False, truth: Truth | None = None) -> None:
        self.lean = lean
        self.truth = truth
        self.changed = Condition()
        self.transports: set[asyncio.Transport] = set()
        self.clear()

    def clear(self) -> None:
        """Forget everything but the connections that are open."""
        still_open = [c for c in getattr(self, "connections", ()) if c.closed_at is None]
        self.connections: deque[Connection] = deque(still_open, maxlen=LOG_ENTRIES)
        self.exchanges: deque[Exchange] = deque(maxlen=LOG_ENTRIES)
        self.faults: Counter[str] = Counter()
        self.tokens_sold = 0

    def note(self) -> None:
        """Wake whoever waits for something to happen."""
        if not self.lean:
            with self.changed:
                self.changed.notify_all()

    def as_json(self) -> dict[str, Any]:
        """Everything, oldest first."""
        return {
            "now": time.monotonic(),
            "connections": [vars(connection) for connection in list(self.connections)],
            "requests": [exchange.as_json() for exchange in list(self.exchanges)],
            "open_connections": sum(c.closed_at is None for c in list(self.connections)),
            "tokens_sold": sum(exchange.sale.tokens for exchange in list(self.exchanges)),
        }


class Server(asyncio.Protocol):
    """One connection's protocol: requests one after the other, each answered by a script."""

    def __init__(self, *, log: Log, key: str | None, pace_ms: float, loop: asyncio.AbstractEventLoop) -> None:
        self._log = log
        self._key = key
        self._pace_ms = pace_ms
        self._loop = loop
        self._buffer = b""
        self._steps: Iterator[Step] = iter(())
        self._chunked = False
        self._held = False
        self._timer: asyncio.Handle | None = None
        self._exchange: Exchange | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connection = Connection(id=next(_IDS), opened_at=time.monotonic())
        self._log.connections.append(self._connection)
        self._log.transports.add(self._transport)
        self._log.note()

    def connection_lost(self, exc: Exception | None) -> None:
        now = time.monotonic()
        self._connection.closed_at = now
        self._log.transports.discard(self._transport)
        if self._timer:
            self._timer.cancel()
        if self._exchange and self._exchange.cut_at is None:
            self._exchange.aborted_at = now
        self._steps = iter(())
        self._log.note()

    def pause_writing(self) -> None:
        self._held = True

    def resume_writing(self) -> None:
        self._held = False
        if self._exchange and self._timer is None:
            self._go_on()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._exchange is None:
            self._next_request()

    def _next_request(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if "transfer-encoding" in headers or length > BODY_BYTES_MAX:
            self._transport.abort()
            return
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        method, path, _ = first.split(" ", 2)
        self._connection.requests += 1
        self._answer(method, path, headers, rest[:length])

    def _answer(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> None:
        body = json.loads(raw) if raw else None
        kept = {} if self._log.lean else headers
        self._exchange = exchange = Exchange(
            connection=self._connection.id,
            method=method,
            path=path,
            headers=kept,
            body=None if self._log.lean else body,
            started_at=time.monotonic(),
        )
        if path.startswith("/_"):
            self._own_page(method, path)
        elif path.endswith("/embeddings"):
            self._log.exchanges.append(exchange)
            self._embed(exchange, body or {})
        elif path.endswith("/messages"):
            self._log.exchanges.append(exchange)
            self._message(exchange, headers, body or {})
        elif not path.endswith("/chat/completions"):
            self._send_json(404, replies.error("Unknown request URL", kind="invalid_request_error"))
        else:
            self._log.exchanges.append(exchange)
            self._complete(exchange, headers, body or {})
        self._log.note()

    def _own_page(self, method: str, path: str) -> None:
        if method in ("POST", "DELETE"):
            self._log.clear()
        self._send_json(200, self._log.as_json())

    def _complete(self, exchange: Exchange, headers: dict[str, str], request: dict[str, Any]) -> None:
        order = self._ordered(request)
        exchange.order = order.text
        if self._key and headers.get("authorization") != f"Bearer {self._key}":
            refusal = replies.error(scripts.SECRET_WORDS, kind="invalid_request_error", code="invalid_api_key")
            self._send_json(401, refusal)
        elif not isinstance(request.get("messages"), list) or not request["messages"]:
            self._send_json(400, replies.error("messages: required", kind="invalid_request_error", param="messages"))
        elif order.has("hangup"):
            self._cut()
        elif order.has("mute"):
            pass
        elif order.has("status"):
            self._refuse(order)
        else:
            self._reply(exchange, order, request)

    def _embed(self, exchange: Exchange, request: dict[str, Any]) -> None:
        order = self._ordered(request)
        exchange.order = order.text
        if order.has("hangup"):
            self._cut()
        elif order.has("status"):
            self._refuse(order)
        elif not order.has("mute"):
            usage = order.options.get("usage") != "none"
            self._send_json(200, embeddings.answer(request, usage=usage, floats="floats" in order.options))

    def _message(self, exchange: Exchange, headers: dict[str, str], asked: dict[str, Any]) -> None:
        request = messages.as_chat(asked)
        order = self._ordered(request)
        exchange.order = order.text
        if self._key and headers.get("x-api-key") != self._key:
            self._send_json(401, messages.error(401, scripts.SECRET_WORDS))
        elif not asked.get("messages") or not asked.get("max_tokens"):
            self._send_json(400, messages.error(400, "messages: required, max_tokens: required"))
        elif order.has("hangup"):
            self._cut()
        elif order.has("mute"):
            pass
        elif order.has("status"):
            self._refuse(order, messages.error)
        else:
            exchange.sale.prompt = scripts.prompt_tokens(request)
            newline = "\r\n" if order.has("crlf") else "\n"
            reply = MessagesReply(
                id=order.options.get("id") or f"msg_{secrets.token_hex(6)}", model=str(asked["model"]), newline=newline
            )
            self._play(order, request, streamed=bool(asked.get("stream")), script=messages, reply=reply)

    def _ordered(self, request: dict[str, Any]) -> Order:
        order = order_of(request)
        if self._pace_ms and "pace" not in order.options:
            order.options["pace"] = str(self._pace_ms)
        if "times" not in order.options:
            return order
        self._log.faults[order.text] += 1
        still = self._log.faults[order.text] <= order.number("times", 1)
        return Order(text=order.text, name=order.name, payload=order.payload, options=order.options, faulty=still)

    def _refuse(self, order: Order, error: Callable[[int, str], dict[str, Any]] | None = None) -> None:
        status = int(order.number("status", 500))
        words = order.payload if "words" in order.options else scripts.SECRET_WORDS
        after = order.options.get("after", "1" if status == HTTPStatus.TOO_MANY_REQUESTS else "")
        code, param = order.options.get("code"), order.options.get("param")
        body = replies.error(words, kind="invalid_request_error", code=code, param=param)
        self._send_json(
            status, error(status, words) if error else body, headers={"Retry-After": after} if after else {}
        )

    def _reply(self, exchange: Exchange, order: Order, request: dict[str, Any]) -> None:
        newline = "\r\n" if order.has("crlf") else "\n"
        wanted = bool((request.get("stream_options") or {}).get("include_usage"))
        id = order.options.get("id") or f"chatcmpl-{secrets.token_hex(6)}"
        reply = Reply(id=id, model=str(request["model"]), include_usage=wanted, newline=newline)
        exchange.sale.prompt = scripts.prompt_tokens(request)
        self._play(order, request, streamed=bool(request.get("stream")), script=scripts, reply=reply)

    def _play(self, order: Order, request: dict[str, Any], *, streamed: bool, script: Any, reply: Any) -> None:
        assert self._exchange
        streamed = streamed and not order.has("json")
        play = script.stream if streamed else script.whole
        self._steps = play(order, request, reply, self._exchange.sale)
        kind = "text/event-stream; charset=utf-8" if streamed else "application/json"
        extra = {"Content-Encoding": "gzip"} if order.has("gzip") else {}
        self._start(200, kind, extra)

    def _start(self, status: int, kind: str, headers: dict[str, str]) -> None:
        assert self._exchange
        self._exchange.status = status
        lines = {"Content-Type": kind, "Transfer-Encoding": "chunked", "x-request-id": "req_fake"} | headers
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase if status in _KNOWN else 'Overloaded'}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._transport.write(head.encode() + b"\r\n")
        self._go_on()

    def _send_json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._steps = iter((json.dumps(body).encode(),))
        self._start(status, "application/json", headers or {})

    def _go_on(self) -> None:
        """Play the script until it pauses, ends, or the reader is slower than we are or gone."""
        self._timer = None
        ready: list[bytes] = []
        size = 0
        while not self._held and not self._transport.is_closing():
            step = next(self._steps, _END)
            if isinstance(step, bytes):
                if step:
                    ready.append(b"%x\r\n%b\r\n" % (len(step), step))
                    size += len(step)
                if size < BATCH_BYTES:
                    continue
            if self._log.truth and self._exchange:
                self._log.truth.swear(self._exchange.id, self._exchange.order, self._exchange.sale.tokens)
            self._transport.write(b"".join(ready))
            ready, size = [], 0
            if not isinstance(step, bytes):
                self._turn(step)
                return

    def _turn(self, step: Pause | Cut | Stall | End) -> None:
        if isinstance(step, Pause):
            later = self._loop.call_later(step.seconds, self._go_on) if step.seconds else None
            self._timer = later or self._loop.call_soon(self._go_on)
        elif isinstance(step, Cut):
            self._transport.write(b"1000\r\nhalf of a chu")
            self._cut()
        elif isinstance(step, End):
            self._finish()

    def _cut(self) -> None:
        assert self._exchange
        self._exchange.cut_at = time.monotonic()
        self._transport.close()

    def _finish(self) -> None:
        assert self._exchange
        self._transport.write(b"0\r\n\r\n")
        self._exchange.finished_at = time.monotonic()
        self._exchange = None
        self._log.note()
        if self._buffer:
            self._next_request()


_END = End()
_IDS = count(1)
_KNOWN = frozenset(HTTPStatus)
