"""One choice of a completion, put together from its pieces."""

import base64
import binascii
from typing import Any

from agents.runtime.events import Delta


class Reply:
    """Collects the deltas of one choice into the message they make."""

    def __init__(self) -> None:
        self.finish_reason = "stop"
        self.logprobs: dict[str, list[Any]] | None = None
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
        for name, value in (delta.extras or {}).items():
            self._extras[name] = _merged(self._extras.get(name), value)

    def message(self, *, legacy: bool) -> dict[str, Any]:
        """The assistant's message; `legacy` clients get their one call as `function_call`."""
        text = "".join(self._text)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text if text or not (self._calls or self._refusal) else None,
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
        if isinstance(audio := message.get("audio"), dict) and "data" in audio:
            message["audio"] = {**audio, "data": _one_base64(audio["data"])}
        return message

    def _add_logprobs(self, logprobs: dict[str, Any]) -> None:
        if self.logprobs is None:
            self.logprobs = {"content": [], "refusal": []}
        for name in ("content", "refusal"):
            self.logprobs[name].extend(logprobs.get(name) or ())


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
