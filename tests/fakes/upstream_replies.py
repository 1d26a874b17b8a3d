"""Builds the bodies of OpenAI's Chat Completions API: chunks, whole completions, usage and errors."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

CREATED = 1_760_000_000
FINGERPRINT = "fp_fake"


def text_of(content: object) -> str:
    """The text of a message's content, whether a string or parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def usage(*, prompt: int, completion: int) -> dict[str, Any]:
    """A usage object as OpenAI sends it."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def error(message: str, *, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """An error body as OpenAI sends it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class Reply:
    """One reply: knows its id and model, and turns deltas into `data:` events."""

    def __init__(self, *, id: str, model: str, include_usage: bool, newline: str = "\n") -> None:
        self.id = id
        self.model = model
        self._newline = newline
        self._head = (
            f'data: {{"id":{json.dumps(id)},"object":"chat.completion.chunk","created":{CREATED},'
            f'"model":{json.dumps(model)},"service_tier":"default","system_fingerprint":"{FINGERPRINT}","choices":['
        )
        tail = '],"usage":null}' if include_usage else "]}"
        self._tail = tail + newline * 2

    def delta(self, delta: Mapping[str, Any], *, choice: int = 0, finish: str | None = None, **members: Any) -> bytes:
        """One chunk with one choice; `members` are added to the chunk itself."""
        body = _compact({"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish})
        if members:
            return self._with(body, members)
        return f"{self._head}{body}{self._tail}".encode()

    def text(self, text: str, *, choice: int = 0) -> bytes:
        """A chunk of text, put together the cheap way: benchmarks send millions."""
        escaped = json.dumps(text)
        return (
            f'{self._head}{{"index":{choice},"delta":{{"content":{escaped}}},"logprobs":null,"finish_reason":null}}'
            f"{self._tail}"
        ).encode()

    def usage(self, usage: Mapping[str, Any]) -> bytes:
        """The last chunk: no choices, only usage."""
        return self._with("", {"usage": usage})

    def event(self, data: str) -> bytes:
        """Any `data:` event."""
        return f"data: {data}{self._newline * 2}".encode()

    def failure(self, message: str) -> bytes:
        """An error in the middle of the stream."""
        return self.event(json.dumps(error(message, kind="server_error", code="engine_died")))

    def whole(
        self, *, messages: list[dict[str, Any]], finishes: list[str], usage: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """The same reply as one completion."""
        body = {
            "id": self.id,
            "object": "chat.completion",
            "created": CREATED,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": FINGERPRINT,
            "choices": [
                {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
                for index, (message, finish) in enumerate(zip(messages, finishes, strict=True))
            ],
        }
        return body | ({"usage": usage} if usage is not None else {})

    def _with(self, choice: str, members: Mapping[str, Any]) -> bytes:
        rest = _compact(members)[1:-1]
        return f"{self._head}{choice}],{rest}}}{self._newline * 2}".encode()


def pieces(text: str, size: int) -> Iterator[str]:
    """`text` cut into pieces of `size` characters; one empty piece if there is nothing."""
    for start in range(0, max(len(text), 1), size):
        yield text[start : start + size]


def _compact(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
