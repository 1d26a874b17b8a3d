"""The events of a run in OpenAI's wire format: chunks of a stream, or one whole completion. Nothing else knows it."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from agents.runtime.events import (
    Delta,
    Event,
    Finished,
    HandoffFinished,
    HandoffStarted,
    ToolFinished,
    ToolProgressed,
    ToolStarted,
    TurnFinished,
)
from api.openai.reply import Reply, known_members
from skills.sdk.usage import Usage

DONE = b"data: [DONE]\n\n"

_PADDED_TO = 64
_LONGEST_FINGERPRINT = 256
_SERVICE_TIERS = frozenset(("auto", "default", "flex", "scale", "priority", "fast"))
_LINE_BREAKS = {"\u0085": b"\\u0085", "\u2028": b"\\u2028", "\u2029": b"\\u2029"}


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """What all pieces of one answer share, and how its client wants it.

    `legacy` clients know functions, not tools; `named_events` shows the agent's own tool calls as named SSE events.
    """

    id: str
    created: int
    model: str
    include_usage: bool = False
    obfuscate: bool = False
    legacy: bool = False
    named_events: bool = False


class Chunks:
    """Encodes the events of one run as server-sent events."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._head = b""
        self._tail = b'],"usage":null' if envelope.include_usage else b"]"
        self._text_heads: dict[int, bytes] = {}
        self._text_tail = b'},"logprobs":null,"finish_reason":null}' + self._tail + b"}\n\n"

    def encode(self, events: Iterable[Event]) -> bytes:
        """The bytes for `events`, as one piece for one write. `[DONE]` follows once the run is settled."""
        pieces: list[bytes] = []
        if not self._head:
            if all(type(event) is TurnFinished for event in events):
                return b""  # nothing to be seen yet: what goes wrong now can still be told by a status
            self._begin(events, pieces)
        for event in events:
            if type(event) is Delta:
                self._delta(event, pieces)
            elif type(event) is Finished:
                self._finish(event, pieces)
            elif self._envelope.named_events:
                pieces.append(self._named(event))
        return b"".join(pieces)

    def failure(self, error: bytes) -> bytes:
        """The end of a stream that went wrong: the error as one event, then `[DONE]`."""
        return b"data: " + error + b"\n\n" + DONE

    def _begin(self, events: Iterable[Event], pieces: list[bytes]) -> None:
        """Whatever is seen first, begin with the first choice's first chunk, which says that an assistant speaks."""
        told = next((event.about for event in events if type(event) is Delta and event.about), {})
        shared = _shared(self._envelope, told, object="chat.completion.chunk")
        self._head = b"data: " + shared[:-1] + b',"choices":['
        self._open(0, pieces)

    def _open(self, choice: int, pieces: list[bytes]) -> bytes:
        head = self._text_heads[choice] = self._head + b'{"index":%d,"delta":{"content":' % choice
        pieces.append(self._chunk(choice, {"role": "assistant", "content": ""}))
        return head

    def _delta(self, event: Delta, pieces: list[bytes]) -> None:
        head = self._text_heads.get(event.choice) or self._open(event.choice, pieces)
        if event.text:
            if not (self._envelope.obfuscate or event.logprobs):
                pieces.append(head + json_string(event.text) + self._text_tail)
            else:
                pieces.append(self._chunk(event.choice, {"content": event.text}, logprobs=event.logprobs))
        elif event.logprobs and not event.refusal:
            pieces.append(self._chunk(event.choice, {}, logprobs=event.logprobs))
        if event.refusal:
            pieces.append(self._chunk(event.choice, {"refusal": event.refusal}, logprobs=event.logprobs))
        if event.tool_calls:
            pieces.extend(self._chunk(event.choice, delta) for delta in self._calls(event))
        if event.extras and (members := known_members(event.extras)):
            pieces.append(self._chunk(event.choice, members))
        if event.about and (moderation := _moderation(event.about)):
            pieces.append(self._head + self._tail + b',"moderation":' + encoded(moderation) + b"}\n\n")
        if event.reasoning and self._envelope.named_events:
            pieces.append(self._event("reasoning", {"choice": event.choice, "text": event.reasoning}))

    def _calls(self, event: Delta) -> Iterable[Mapping[str, Any]]:
        for fragment in event.tool_calls:
            function: dict[str, Any] = {"arguments": fragment.arguments}
            if fragment.name:
                function = {"name": fragment.name, "arguments": fragment.arguments}
            if self._envelope.legacy:
                yield {"function_call": function}
            elif fragment.id:
                call = {"index": fragment.index, "id": fragment.id, "type": "function", "function": function}
                yield {"tool_calls": [call]}
            else:
                yield {"tool_calls": [{"index": fragment.index, "function": function}]}

    def _finish(self, event: Finished, pieces: list[bytes]) -> None:
        for choice, reason in sorted(event.reasons.items()):
            if choice not in self._text_heads:
                self._open(choice, pieces)
            pieces.append(self._chunk(choice, {}, finish_reason=_reason(reason, self._envelope)))
        if self._envelope.include_usage:
            pieces.append(self._head + b'],"usage":' + msgspec.json.encode(usage_of(event.usage)) + b"}\n\n")

    def _chunk(
        self,
        choice: int,
        delta: Mapping[str, Any],
        *,
        logprobs: Mapping[str, Any] | None = None,
        finish_reason: str | None = None,
    ) -> bytes:
        encoded = escaped(
            msgspec.json.encode(
                {"index": choice, "delta": _whole(delta), "logprobs": logprobs, "finish_reason": finish_reason}
            )
        )
        padding = b""
        if self._envelope.obfuscate and finish_reason is None:
            missing = _PADDED_TO - len(encoded) % _PADDED_TO
            padding = b',"obfuscation":"%b"' % secrets.token_urlsafe(missing)[:missing].encode()
        return self._head + encoded + self._tail + padding + b"}\n\n"

    def _named(self, event: Event) -> bytes:
        if isinstance(event, ToolStarted):
            return self._event(
                "tool_call",
                {"id": event.call_id, "name": event.name, "arguments": event.arguments, "turn": event.turn},
            )
        if isinstance(event, ToolProgressed):
            return self._event("tool_progress", msgspec.to_builtins(event))
        if isinstance(event, ToolFinished):
            result = {"id": event.call_id, "name": event.name, "ok": event.ok, "content": event.content}
            return self._event("tool_result", {**result, "duration_s": round(event.duration_s, 6)})
        if isinstance(event, HandoffStarted | HandoffFinished):
            return self._event("handoff", msgspec.to_builtins(event))
        return b""

    def _event(self, name: str, details: Mapping[str, Any]) -> bytes:
        """A named event. SDKs that do not look at names take it for a chunk without choices, which it also is."""
        data = self._head + self._tail + b',"robutler":' + encoded(details) + b"}\n\n"
        return b"event: robutler." + name.encode() + b"\n" + data


def completion(events: Iterable[Event], envelope: Envelope) -> bytes:
    """The same events as one whole completion."""
    replies: dict[int, Reply] = {0: Reply()}
    usage = Usage()
    told: dict[str, Any] = {}
    for event in events:
        if isinstance(event, Delta):
            told = {**(event.about or {}), **told}
            replies.setdefault(event.choice, Reply()).add(event)
        elif isinstance(event, Finished):
            usage = event.usage
            for choice, reason in event.reasons.items():
                replies.setdefault(choice, Reply()).finish_reason = _reason(reason, envelope)
    choices = [_choice(index, reply, envelope) for index, reply in sorted(replies.items())]
    moderation = _moderation(told)
    rest = {"choices": choices, "usage": usage_of(usage), **({"moderation": moderation} if moderation else {})}
    return _shared(envelope, told, object="chat.completion")[:-1] + b"," + msgspec.json.encode(_whole(rest))[1:]


def usage_of(usage: Usage) -> dict[str, Any]:
    """Usage in OpenAI's words."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": usage.input_audio_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens,
            "accepted_prediction_tokens": usage.accepted_prediction_tokens,
            "rejected_prediction_tokens": usage.rejected_prediction_tokens,
        },
    }


def json_string(text: str) -> bytes:
    """`text` as a JSON string that no reader of lines takes for several."""
    try:
        encoded = msgspec.json.encode(text)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_without_halves(text))
    return encoded if encoded.isascii() else escaped(encoded)


def encoded(value: Any) -> bytes:
    """`value` as JSON in one line, of whole characters."""
    return escaped(msgspec.json.encode(_whole(value)))


def escaped(encoded: bytes) -> bytes:
    """JSON in which the line breaks that only Unicode knows are written as escapes."""
    if not encoded.isascii():
        for character, escape in _LINE_BREAKS.items():
            encoded = encoded.replace(character.encode(), escape)
    return encoded


def _shared(envelope: Envelope, told: Mapping[str, Any], *, object: str) -> bytes:
    """What every piece of an answer says; of what the provider told, only what OpenAI's could have said."""
    tier, fingerprint = told.get("service_tier"), told.get("system_fingerprint")
    return msgspec.json.encode(
        {
            "id": envelope.id,
            "object": object,
            "created": envelope.created,
            "model": envelope.model,
            "service_tier": tier if tier in _SERVICE_TIERS else "default",
            "system_fingerprint": _without_halves(fingerprint)[:_LONGEST_FINGERPRINT]
            if isinstance(fingerprint, str)
            else None,
        }
    )


def _moderation(told: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = told.get("moderation")
    return found if isinstance(found, Mapping) and found.keys() == {"input", "output"} else None


def _choice(index: int, reply: Reply, envelope: Envelope) -> dict[str, Any]:
    message = reply.message(legacy=envelope.legacy)
    return {"index": index, "message": message, "logprobs": reply.logprobs, "finish_reason": reply.finish_reason}


def _reason(reason: str, envelope: Envelope) -> str:
    return "function_call" if envelope.legacy and reason == "tool_calls" else reason


def _whole(value: Any) -> Any:
    """`value` with whole characters only: half of a surrogate pair cannot be sent."""
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return _mended(value)
    return value


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _without_halves(value)
    if isinstance(value, Mapping):
        return {key: _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value


def _without_halves(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
