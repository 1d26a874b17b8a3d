"""One choice of a completion, put together from its pieces."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from agents.runtime.events import Delta

_SILENCE = {"id": "", "data": "", "expires_at": 0, "transcript": ""}


class _Citation(msgspec.Struct):
    start_index: int
    end_index: int
    title: str
    url: str


class _Annotation(msgspec.Struct, tag="url_citation"):
    url_citation: _Citation


class Reply:
    """Collects the deltas of one choice into the message they make."""

    def __init__(self) -> None:
        self.finish_reason = "stop"
        self.logprobs: dict[str, list[Any] | None] | None = None
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._extras: dict[str, Any] = {}

    def add(self, delta: Delta) -> None:
        """Take in the next piece."""
        if delta.text:
            self._text.append(delta.text)
        if delta.refusal:
            self._refusal.append(delta.refusal)
        for fragment in delta.tool_calls:
            call = self._calls.setdefault(fragment.index, {"id": "", "name": "", "arguments": []})
            call["id"] = call["id"] or fragment.id
            call["name"] = call["name"] or fragment.name
            call["arguments"].append(fragment.arguments)
        if delta.logprobs:
            self._add_logprobs(delta.logprobs)
        for name, value in known_members(delta.extras or {}).items():
            self._extras[name] = _merged(self._extras.get(name), value)

    def message(self, *, legacy: bool) -> dict[str, Any]:
        """The assistant's message; `legacy` clients get their one call as `function_call`."""
        text = "".join(self._text)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text if text or not (self._calls or self._refusal or "audio" in self._extras) else None,
            "refusal": "".join(self._refusal) or None,
            "annotations": [],
            **self._extras,
        }
        functions = [
            (call["id"], {"name": call["name"], "arguments": "".join(call["arguments"])})
            for _, call in sorted(self._calls.items())
        ]
        if functions and legacy:
            message["function_call"] = functions[0][1]
        elif functions:
            message["tool_calls"] = [{"id": id, "type": "function", "function": call} for id, call in functions]
        if audio := message.get("audio"):
            message["audio"] = {**_SILENCE, **audio, "data": _one_base64(audio.get("data", ""))}
        return message

    def _add_logprobs(self, logprobs: dict[str, Any]) -> None:
        if self.logprobs is None:
            self.logprobs = {"content": None, "refusal": None}
        for name in ("content", "refusal"):
            if more := logprobs.get(name):
                self.logprobs[name] = [*(self.logprobs[name] or ()), *more]


def known_members(extras: Mapping[str, Any]) -> dict[str, Any]:
    """What a message may hold besides words and calls, as far as it has OpenAI's shape: other vendors' has others."""
    known: dict[str, Any] = {}
    if isinstance(annotations := extras.get("annotations"), list):
        known["annotations"] = [found for item in annotations if (found := _annotation(item)) is not None]
    if isinstance(audio := extras.get("audio"), dict):
        known["audio"] = {name: value for name, value in audio.items() if type(value) is type(_SILENCE.get(name))}
    return {name: value for name, value in known.items() if value}


def _annotation(item: Any) -> Any:
    try:
        return msgspec.to_builtins(msgspec.convert(item, _Annotation))
    except msgspec.ValidationError:
        return None


def _merged(known: Any, new: Any) -> Any:
    """Lists grow, and so does the text inside objects; ids and numbers are replaced."""
    if isinstance(known, list) and isinstance(new, list):
        return known + new
    if isinstance(known, dict) and isinstance(new, dict):
        grown = {
            key: known[key] + value
            for key, value in new.items()
            if key in ("data", "transcript") and isinstance(known.get(key), str) and isinstance(value, str)
        }
        return {**known, **new, **grown}
    return new


def _one_base64(pieces: str) -> str:
    """Pieces of base64, each perhaps padded by itself, as one."""
    if "=" not in pieces.rstrip("="):
        return pieces
    try:
        parts = [part + "=" * (-len(part) % 4) for part in pieces.split("=") if part]
        return base64.b64encode(b"".join(base64.b64decode(part, validate=True) for part in parts)).decode()
    except binascii.Error:
        return pieces
