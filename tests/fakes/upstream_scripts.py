"""What the fake upstream does with an order: a script of bytes to send, pauses, and misbehaviour."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from tests.fakes import upstream_replies as replies
from tests.fakes.upstream_orders import Order, calls_of, text_pieces
from tests.fakes.upstream_replies import Reply

ABSURD: dict[str, Any] = {"negative": -5, "float": 3.7, "string": "many", "digits": "12", "huge": 10**9}
SECRET_WORDS = "Incorrect API key provided: sk-upstream-secret-0123456789. See http://10.0.0.7:9000/internal for help."


@dataclass(frozen=True)
class Pause:
    """Send nothing for so long."""

    seconds: float


class Cut:
    """Drop the connection."""


class Stall:
    """Send nothing ever again."""


class End:
    """End the body as if that were all."""


Step: TypeAlias = bytes | Pause | Cut | Stall | End


@dataclass(kw_only=True)
class Sale:
    """What a request was sold, counted as it is sent."""

    tokens: int = 0
    prompt: int = 0
    finish: str = "stop"
    messages: list[dict[str, Any]] = field(default_factory=list)


class Faulty(Protocol):
    """A reply in whichever language, as far as faults need it."""

    def text(self, text: str) -> bytes:
        """A piece of text."""

    def event(self, data: str) -> bytes:
        """Any event."""

    def failure(self, message: str) -> bytes:
        """An error in the middle of the stream."""


def prompt_tokens(request: dict[str, Any]) -> int:
    """The fake's tokenizer: a token per word of the messages."""
    return sum(len(replies.text_of(message.get("content")).split()) for message in request.get("messages", []))


def stream(order: Order, request: dict[str, Any], reply: Reply, sale: Sale) -> Iterator[Step]:
    """The reply as a stream of events."""
    if order.name == "raw":
        yield order.payload.encode()
        if order.has("stalling"):
            yield Stall()
        return
    events = _events(order, request, reply, sale)
    if order.has("comments"):
        events = _commented(events)
    if order.has("dribble"):
        events = _dribbled(events, int(order.number("dribble", 1)))
    yield from events


def whole(order: Order, request: dict[str, Any], reply: Reply, sale: Sale) -> Iterator[Step]:
    """The reply in one piece."""
    calls = calls_of(order, request["messages"])
    said = [] if calls else within_limit(order, request, sale)
    sale.tokens += len(said) + len(calls)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if calls else "".join(said),
        "refusal": None,
        "annotations": [],
    }
    if calls:
        sale.finish = "tool_calls"
        message["tool_calls"] = [
            {"id": _call_id(reply, index), "type": "function", "function": {"name": name, "arguments": arguments}}
            for index, (name, arguments) in enumerate(calls)
        ]
    count = int(request.get("n") or 1)
    counted = None if order.options.get("usage") == "none" else _usage(order, sale)
    if pace := order.number("pace", 0):
        yield Pause(pace * len(said) / 1000)
    body = reply.whole(messages=[message] * count, finishes=[sale.finish] * count, usage=counted)
    yield json.dumps(body).encode()


def _events(order: Order, request: dict[str, Any], reply: Reply, sale: Sale) -> Iterator[Step]:
    choices = range(int(request.get("n") or 1))
    for choice in choices:
        yield reply.delta({"role": "assistant", "content": "", "refusal": None}, choice=choice)
    calls = calls_of(order, request["messages"])
    if calls:
        sale.finish = "tool_calls"
        yield from _call_events(calls, reply, sale)
    else:
        yield from _text_events(order, request, reply, sale)
    for choice in choices:
        last = {"usage": _usage(order, sale)} if order.options.get("usage") == "last" else {}
        if not order.has("nofinish"):
            yield reply.delta({}, choice=choice, finish=sale.finish, **last)
    wanted = (request.get("stream_options") or {}).get("include_usage")
    if wanted and order.options.get("usage") not in ("none", "last"):
        yield reply.usage(_usage(order, sale))
    if not order.has("nodone"):
        yield reply.event("[DONE]")


def _text_events(order: Order, request: dict[str, Any], reply: Reply, sale: Sale) -> Iterator[Step]:
    pace = order.number("pace", 0) / 1000
    for index in range(int(order.number("reasoning", 0))):
        sale.tokens += 1
        yield reply.delta({"reasoning_content": f"thought {index}. "})
    for index, piece in enumerate(within_limit(order, request, sale)):
        yield from misbehave(order, index, reply)
        if pace and index:
            yield Pause(pace)
        for choice in range(int(request.get("n") or 1)):
            sale.tokens += 1
            if order.has("parts"):
                yield reply.delta({"content": [{"type": "text", "text": piece}]}, choice=choice)
            elif order.options.get("usage") == "every":
                yield reply.delta({"content": piece}, usage=_usage(order, sale))
            else:
                yield reply.text(piece, choice=choice)


def _call_events(calls: list[tuple[str, str]], reply: Reply, sale: Sale) -> Iterator[bytes]:
    """Parallel calls whose arguments come in fragments, by turns."""
    for index, (name, _) in enumerate(calls):
        sale.tokens += 1
        call = {"index": index, "id": _call_id(reply, index), "type": "function"}
        yield reply.delta({"tool_calls": [call | {"function": {"name": name, "arguments": ""}}]})
    fragments = [list(replies.pieces(arguments, 5)) for _, arguments in calls]
    for turn in range(max(map(len, fragments))):
        for index, own in enumerate(fragments):
            if turn < len(own):
                sale.tokens += 1
                yield reply.delta({"tool_calls": [{"index": index, "function": {"arguments": own[turn]}}]})


def misbehave(order: Order, index: int, reply: "Faulty") -> Iterator[Step]:
    """The fault that strikes at this piece, if one does."""
    if order.at("stall") == index:
        yield Stall()
    if order.at("cut") == index:
        yield reply.text("never complete")[:40]
        yield Cut()
    if order.at("half") == index:
        yield reply.text("never complete")[:40]
        yield End()
    if order.at("badjson") == index:
        yield reply.event('{"id": "broken", "choices": [{"index": 0, "delta": {"content": }}]}')
    if order.at("error") == index:
        yield reply.failure(SECRET_WORDS)
    if order.at("longline") == index:
        yield reply.text("x" * int(order.number("mb", 17) * 1_000_000))


def within_limit(order: Order, request: dict[str, Any], sale: Sale) -> list[str]:
    """What is said, as far as the request's limit goes."""
    said = text_pieces(order, request["messages"])
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    if limit and not order.has("deaf") and len(said) > limit:
        sale.finish = "length"
        return said[:limit]
    return said


def _usage(order: Order, sale: Sale) -> dict[str, Any]:
    counted = replies.usage(prompt=sale.prompt, completion=sale.tokens)
    absurd = ABSURD.get(order.options.get("usage", ""))
    return counted if absurd is None else counted | {"completion_tokens": absurd, "total_tokens": absurd}


def _commented(events: Iterator[Step]) -> Iterator[Step]:
    for event in events:
        if isinstance(event, bytes):
            yield b": still here\n\n"
        yield event


def _dribbled(events: Iterator[Step], size: int) -> Iterator[Step]:
    for event in events:
        if not isinstance(event, bytes):
            yield event
            continue
        for start in range(0, len(event), size):
            yield event[start : start + size]
            yield Pause(0)


def _call_id(reply: Reply, index: int) -> str:
    return f"call_{reply.id.rpartition('-')[2]}_{index}"
