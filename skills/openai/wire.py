"""Reads Chat Completions as vendors really send them, and tells the runtime in its own words."""

from collections.abc import Iterator
from typing import Any

import msgspec

from skills.sdk import Chunk, FinishReason, ModelUnreachable, ToolCallFragment, Usage, http_failures
from skills.sdk.providers import service_tier_of, usage_of

DONE = b"[DONE]"
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
}


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    annotations: list[Any] | None = None
    audio: dict[str, Any] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class _Event(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    id: Any = None
    object: str | None = None
    message: msgspec.Raw = msgspec.Raw()
    service_tier: Any = None
    system_fingerprint: Any = None
    moderation: Any = None


_decode = msgspec.json.Decoder(_Event).decode


class Reply:
    """A reply being read: what is still missing, and the usage reported so far."""

    def __init__(self, *, choices: int) -> None:
        self.done = False
        """The provider said that this was all."""
        self._unfinished = set(range(choices))
        self._usage = b"null"
        self._service_tier: Any = None
        self._spoke = False
        self._calls: dict[int, int] = {}
        self._about: dict[str, Any] | None = None
        self._id = ""

    @property
    def complete(self) -> bool:
        """Every choice has its reason to end."""
        return not self._unfinished

    def read(self, data: bytes) -> Iterator[Chunk]:
        """The chunks in one event's data, or in a whole completion. Raises a ModelFailed."""
        if data == DONE or data.strip() == DONE:
            self.done = True
            return
        try:
            event = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ModelUnreachable("The model's provider sent a reply that is not readable.") from None
        if event.choices is None or event.error:
            _raise_error(event, data)
        if event.usage and event.usage != b"null":
            self._usage = bytes(event.usage)
        self._service_tier = event.service_tier or self._service_tier
        if not self._spoke and isinstance(event.id, str):
            self._id = event.id
        if not self._spoke and (event.system_fingerprint or event.service_tier):
            self._about = {"service_tier": event.service_tier, "system_fingerprint": event.system_fingerprint}
        for choice in event.choices or ():
            if (chunk := self._chunk(choice)) is not None:
                yield chunk
        if event.moderation:
            yield Chunk(about={"moderation": event.moderation})

    def usage(self) -> Usage | None:
        """The usage, once everything is read. Raises ModelUnreachable when the reply is not whole."""
        if self._unfinished:
            raise ModelUnreachable("The model's provider broke off its reply.")
        usage = usage_of(msgspec.json.decode(self._usage), spoke=self._spoke)
        served = service_tier_of(self._service_tier)
        return msgspec.structs.replace(usage, service_tier=served) if usage and served else usage

    def _chunk(self, choice: _Choice) -> Chunk | None:
        said = choice.delta or choice.message or _SILENCE
        text = said.content if isinstance(said.content, str) else _text_of(said.content)
        reasoning = said.reasoning_content or said.reasoning or ""
        called = said.tool_calls or ([_ToolCall(index=0, function=said.function_call)] if said.function_call else None)
        calls = self._fragments(choice.index, called) if called else ()
        reason = self._reason(choice)
        extras = _extras(said)
        if not (text or reasoning or calls or reason or said.refusal or extras or choice.logprobs):
            return None
        self._spoke = self._spoke or bool(text or reasoning or calls)
        about, self._about = self._about, None
        reply_id, self._id = self._id, ""
        return Chunk(
            about=about,
            reply_id=reply_id,
            choice=choice.index,
            text=text,
            reasoning=reasoning,
            refusal=said.refusal or "",
            tool_calls=calls,
            logprobs=choice.logprobs,
            extras=extras,
            finish_reason=reason,
        )

    def _reason(self, choice: _Choice) -> FinishReason | None:
        reason = choice.finish_reason
        if not reason:
            return None
        if reason.lower() == "error":
            raise ModelUnreachable("The model's provider failed in the middle of its reply.")
        if choice.index not in self._unfinished:
            return None
        self._unfinished.discard(choice.index)
        known = _REASONS.get(reason.lower(), "stop")
        return "tool_calls" if known == "stop" and choice.index in self._calls else known

    def _fragments(self, choice: int, calls: list[_ToolCall]) -> tuple[ToolCallFragment, ...]:
        return tuple(self._fragment(choice, call) for call in calls)

    def _fragment(self, choice: int, call: _ToolCall) -> ToolCallFragment:
        """Some vendors leave out the index: then an id begins a call, and what has none continues the last."""
        newest = self._calls.get(choice, -1)
        index = call.index if call.index is not None else max(newest + bool(call.id), 0)
        self._calls[choice] = max(newest, index)
        function = call.function or _Function()
        arguments = function.arguments or ""
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        return ToolCallFragment(index=index, id=call.id or "", name=function.name or "", arguments=arguments)


_SILENCE = _Message()


def _text_of(content: list[Any] | None) -> str:
    if content is None:
        return ""
    return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def _extras(said: _Message) -> dict[str, Any] | None:
    if not (said.annotations or said.audio):
        return None
    members = {"annotations": said.annotations, "audio": said.audio}
    return {name: value for name, value in members.items() if value}


def _raise_error(event: _Event, data: bytes) -> None:
    if event.error and event.error != b"null":
        raise http_failures.reported(bytes(event.error))
    if event.choices is None and (event.object == "error" or event.message):
        raise http_failures.reported(data)
