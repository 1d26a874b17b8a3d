"""Reads the events of the Messages API, and tells the runtime in its own words."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from skills.anthropic.blocks import Block
from skills.anthropic.names import Names
from skills.sdk import Chunk, FinishReason, ModelUnreachable, ToolCallFragment, Usage, http_failures
from skills.sdk.providers import service_tier_of
from skills.sdk.usage import MOST_TOKENS

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Cached(msgspec.Struct, gc=False):
    ephemeral_1h_input_tokens: Any = None


class _Details(msgspec.Struct, gc=False):
    thinking_tokens: Any = None


class _Served(msgspec.Struct, gc=False):
    web_search_requests: Any = None


class _Told(msgspec.Struct, gc=False):
    """Usage, as it is told: what is no count is no usage."""

    input_tokens: Any = None
    output_tokens: Any = None
    cache_creation_input_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation: _Cached | None = None
    output_tokens_details: _Details | None = None
    server_tool_use: _Served | None = None
    service_tier: Any = None


class _Block(msgspec.Struct, gc=False):
    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: Any = None


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_details: dict[str, Any] | None = None


class _Message(msgspec.Struct, gc=False):
    id: Any = None
    content: list[_Block] = []
    stop_reason: str | None = None
    stop_details: dict[str, Any] | None = None
    usage: _Told | None = None


class _Event(msgspec.Struct, gc=False):
    type: str
    index: int = 0
    delta: _Delta | None = None
    content_block: _Block | None = None
    message: _Message | None = None
    usage: _Told | None = None


_decode = msgspec.json.Decoder(_Event).decode
_decode_message = msgspec.json.Decoder(_Message).decode


class _Call:
    """A call of which pieces arrive: its place among the calls, and whether it has arguments."""

    __slots__ = ("has_arguments", "place")

    def __init__(self, place: int) -> None:
        self.place = place
        self.has_arguments = False


class Reply:
    """A reply being read: what is still missing, what was thought, and the usage reported so far."""

    def __init__(self, *, names: Names) -> None:
        self.done = False
        """The provider said that this was all."""
        self.complete = False
        """The reply has its reason to end."""
        self.call_ids: list[str] = []
        self._names = names
        self._calls: dict[int, _Call] = {}
        self._thoughts: dict[int, Block] = {}
        self._told = _Told()
        self._spoke = False
        self._id = ""

    @property
    def thoughts(self) -> list[Block]:
        """What was thought, in order, as it has to be sent back with the results of the calls that followed."""
        return [block for _, block in sorted(self._thoughts.items())]

    def read(self, data: bytes) -> Iterator[Chunk]:
        """The chunks in one event's data, or in a whole message. Raises a ModelFailed."""
        try:
            event = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ModelUnreachable("The model's provider sent a reply that is not readable.") from None
        match event.type:
            case "content_block_delta":
                yield from self._delta(event.index, event.delta or _Delta())
            case "content_block_start":
                yield from self._begin(event.index, event.content_block or _Block(type=""))
            case "content_block_stop":
                yield from self._end(event.index)
            case "message_start":
                self._begun(event.message or _Message())
            case "message_delta":
                self._note(event.usage)
                ending = event.delta or _Delta()
                yield from self._finish(ending.stop_reason, ending.stop_details)
            case "message_stop":
                self.done = True
            case "message":
                yield from self._whole(_decode_message(data))
            case "error":
                raise http_failures.reported(data)

    def usage(self) -> Usage | None:
        """The usage, once everything is read. Raises ModelUnreachable when the reply is not whole."""
        if not self.complete:
            raise ModelUnreachable("The model's provider broke off its reply.")
        return _usage(self._told, spoke=self._spoke)

    def _begin(self, index: int, block: _Block) -> Iterator[Chunk]:
        match block.type:
            case "text" if block.text:
                yield self._said(text=block.text)
            case "thinking":
                self._thoughts[index] = {"type": "thinking", "thinking": block.thinking, "signature": block.signature}
                if block.thinking:
                    yield self._said(reasoning=block.thinking)
            case "redacted_thinking":
                self._thoughts[index] = {"type": "redacted_thinking", "data": block.data}
            case "tool_use":
                call = self._calls[index] = _Call(len(self._calls))
                self.call_ids.append(block.id)
                yield self._called(call, id=block.id, name=self._names.ours(block.name))
                if block.input:
                    call.has_arguments = True
                    yield self._called(call, arguments=msgspec.json.encode(block.input).decode())

    def _delta(self, index: int, delta: _Delta) -> Iterator[Chunk]:
        match delta.type:
            case "text_delta" if delta.text:
                yield self._said(text=delta.text)
            case "input_json_delta" if delta.partial_json and index in self._calls:
                self._calls[index].has_arguments = True
                yield self._called(self._calls[index], arguments=delta.partial_json)
            case "thinking_delta" if index in self._thoughts:
                self._thoughts[index]["thinking"] += delta.thinking
                yield self._said(reasoning=delta.thinking)
            case "signature_delta" if index in self._thoughts:
                self._thoughts[index]["signature"] += delta.signature

    def _end(self, index: int) -> Iterator[Chunk]:
        """A call without arguments is one with none of them."""
        call = self._calls.get(index)
        if call is not None and not call.has_arguments:
            call.has_arguments = True
            yield self._called(call, arguments="{}")

    def _whole(self, message: _Message) -> Iterator[Chunk]:
        self._note(message.usage)
        for index, block in enumerate(message.content):
            yield from self._begin(index, block)
            yield from self._end(index)
        yield from self._finish(message.stop_reason, message.stop_details)
        self.done = True

    def _finish(self, reason: str | None, details: Mapping[str, Any] | None) -> Iterator[Chunk]:
        if reason is None or self.complete:
            return
        self.complete = True
        known = _REASONS.get(reason, "stop")
        why = (details or {}).get("explanation") if reason == "refusal" else None
        yield Chunk(finish_reason=known, refusal=why if isinstance(why, str) else "", reply_id=self._id)

    def _said(self, *, text: str = "", reasoning: str = "") -> Chunk:
        self._spoke = True
        return Chunk(text=text, reasoning=reasoning)

    def _called(self, call: _Call, *, id: str = "", name: str = "", arguments: str = "") -> Chunk:
        self._spoke = True
        return Chunk(tool_calls=(ToolCallFragment(index=call.place, id=id, name=name, arguments=arguments),))

    def _begun(self, message: _Message) -> None:
        self._note(message.usage)
        if isinstance(message.id, str):
            self._id = message.id

    def _note(self, told: _Told | None) -> None:
        """Later figures replace earlier ones; the end need not repeat what the beginning told."""
        for name in _Told.__struct_fields__ if told is not None else ():
            if (value := getattr(told, name)) is not None:
                setattr(self._told, name, value)


def _usage(told: _Told, *, spoke: bool) -> Usage | None:
    """The usage; None when it was not reported or cannot be true. Cached input is told beside the rest of it."""
    fresh, written = _count(told.input_tokens), _count(told.output_tokens)
    cached, stored = _count(told.cache_read_input_tokens or 0), _count(told.cache_creation_input_tokens or 0)
    if fresh is None or written is None or cached is None or stored is None:
        return None
    read = fresh + cached + stored
    if not read or (spoke and not written):
        return None
    long_stored = _count(told.cache_creation.ephemeral_1h_input_tokens) if told.cache_creation else 0
    thought = _count(told.output_tokens_details.thinking_tokens) if told.output_tokens_details else 0
    searched = _count(told.server_tool_use.web_search_requests) if told.server_tool_use else 0
    return Usage(
        input_tokens=read,
        cached_input_tokens=cached,
        cache_write_tokens=stored,
        cache_write_1h_tokens=min(long_stored or 0, stored),
        output_tokens=written,
        reasoning_tokens=min(thought or 0, written),
        search_requests=searched or 0,
        service_tier=service_tier_of(told.service_tier),
    )


def _count(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return value if fits else None
