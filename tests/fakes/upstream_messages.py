"""Speaks Anthropic's Messages API: the same orders, in events of its kind."""

import json
from collections.abc import Iterator
from typing import Any

from tests.fakes.upstream_orders import Order, calls_of
from tests.fakes.upstream_replies import pieces, text_of
from tests.fakes.upstream_scripts import ABSURD, Pause, Sale, Step, misbehave, within_limit

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_KINDS = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 503: "overloaded_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


def as_chat(request: dict[str, Any]) -> dict[str, Any]:
    """The request as far as orders look into it, in the shape of Chat Completions."""
    messages = [each for message in request.get("messages") or () for each in _as_chat(message)]
    return {**request, "messages": messages}


def error(status: int, message: str) -> dict[str, Any]:
    """An error body."""
    return {"type": "error", "error": {"type": _KINDS.get(status, "api_error"), "message": message}, "request_id": "r"}


class MessagesReply:
    """One reply: turns deltas into events."""

    def __init__(self, *, id: str, model: str, newline: str = "\n") -> None:
        self.id = id
        self.model = model
        self._newline = newline
        self._block = 0

    def named(self, kind: str, **members: Any) -> bytes:
        """An event with its name."""
        data = json.dumps({"type": kind, **members}, separators=(",", ":"))
        return f"event: {kind}{self._newline}data: {data}{self._newline * 2}".encode()

    def event(self, data: str) -> bytes:
        """Any event."""
        return f"data: {data}{self._newline * 2}".encode()

    def begin(self, usage: dict[str, Any] | None) -> bytes:
        """The message without its content."""
        return self.named("message_start", message=self.message(content=[], reason=None, usage=usage))

    def message(self, *, content: list[Any], reason: str | None, usage: dict[str, Any] | None) -> dict[str, Any]:
        """The message."""
        told = {} if usage is None else {"usage": usage}
        return {
            "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": content,
            "stop_reason": reason, "stop_sequence": None, **told,
        }  # fmt: skip

    def open(self, block: dict[str, Any]) -> bytes:
        """The beginning of a block."""
        return self.named("content_block_start", index=self._block, content_block=block)

    def delta(self, **delta: Any) -> bytes:
        """A piece of the block that is open."""
        return self.named("content_block_delta", index=self._block, delta=delta)

    def text(self, text: str) -> bytes:
        """A piece of text."""
        return self.delta(type="text_delta", text=text)

    def close(self) -> bytes:
        """The end of the block that is open."""
        self._block += 1
        return self.named("content_block_stop", index=self._block - 1)

    def failure(self, message: str) -> bytes:
        """An error in the middle of the stream."""
        return self.named("error", error={"type": "api_error", "message": message})


def stream(order: Order, request: dict[str, Any], reply: MessagesReply, sale: Sale) -> Iterator[Step]:
    """The reply as a stream of events."""
    if order.name == "raw":
        yield order.payload.encode()
        return
    yield reply.begin(_usage(order, sale, output=1))
    yield reply.named("ping")
    yield from _thoughts(order, reply, sale)
    if calls := calls_of(order, request["messages"]):
        sale.finish = "tool_calls"
        yield from _calls(calls, reply, sale)
    else:
        yield from _text(order, request, reply, sale)
    usage = _usage(order, sale, output=sale.tokens)
    if not order.has("nofinish"):
        for _ in range(2 if order.options.get("usage") == "every" else 1):
            ending = {"stop_reason": _REASONS[sale.finish], "stop_sequence": None}
            told = {} if usage is None else {"usage": {"output_tokens": usage["output_tokens"]}}
            yield reply.named("message_delta", delta=ending, **told)
    if not order.has("nodone"):
        yield reply.named("message_stop")


def whole(order: Order, request: dict[str, Any], reply: MessagesReply, sale: Sale) -> Iterator[Step]:
    """The reply in one piece."""
    calls = calls_of(order, request["messages"])
    said = [] if calls else within_limit(order, request, sale)
    sale.tokens += len(said) + len(calls)
    sale.finish = "tool_calls" if calls else sale.finish
    content = [{"type": "text", "text": "".join(said), "citations": None}] if said else []
    content += [
        {"type": "tool_use", "id": _call_id(reply, at), "name": name, "input": json.loads(arguments)}
        for at, (name, arguments) in enumerate(calls)
    ]
    usage = _usage(order, sale, output=sale.tokens)
    yield json.dumps(reply.message(content=content, reason=_REASONS[sale.finish], usage=usage)).encode()


def _thoughts(order: Order, reply: MessagesReply, sale: Sale) -> Iterator[Step]:
    count = int(order.number("reasoning", 0))
    if not count:
        return
    yield reply.open({"type": "thinking", "thinking": "", "signature": ""})
    for index in range(count):
        sale.tokens += 1
        yield reply.delta(type="thinking_delta", thinking=f"thought {index}. ")
    yield reply.delta(type="signature_delta", signature="c2lnbmVk")
    yield reply.close()


def _text(order: Order, request: dict[str, Any], reply: MessagesReply, sale: Sale) -> Iterator[Step]:
    pace = order.number("pace", 0) / 1000
    yield reply.open({"type": "text", "text": ""})
    for index, piece in enumerate(within_limit(order, request, sale)):
        yield from misbehave(order, index, reply)
        if pace and index:
            yield Pause(pace)
        sale.tokens += 1
        yield reply.text(piece)
    yield reply.close()


def _calls(calls: list[tuple[str, str]], reply: MessagesReply, sale: Sale) -> Iterator[Step]:
    for index, (name, arguments) in enumerate(calls):
        sale.tokens += 1
        yield reply.open({"type": "tool_use", "id": _call_id(reply, index), "name": name, "input": {}})
        for piece in pieces(arguments if arguments != "{}" else "", 5):
            sale.tokens += 1
            yield reply.delta(type="input_json_delta", partial_json=piece)
        yield reply.close()


def _usage(order: Order, sale: Sale, *, output: int) -> dict[str, Any] | None:
    kind = order.options.get("usage", "")
    if kind == "none":
        return None
    cached = int(order.number("cached", 0))
    written = int(order.number("written", 0))
    return {
        "input_tokens": sale.prompt,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": written},
        "output_tokens": ABSURD.get(kind, output),
        "service_tier": "standard",
    }


def _as_chat(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    content = message["content"]
    results = [block for block in content if isinstance(block, dict) and block.get("type") == "tool_result"]
    if not results:
        yield message
        return
    rest = [block for block in content if block not in results]
    yield from ({"role": "tool", "content": text_of(result.get("content"))} for result in results)
    if rest:
        yield {"role": "user", "content": rest}


def _call_id(reply: MessagesReply, index: int) -> str:
    return f"toolu_{reply.id.rpartition('_')[2]}_{index}"
