"""The strict reading of OpenAI's types sees what is wrong."""

import json
from typing import Any

import pytest

from tests.openai_types import complaints_about_stream, complaints_about_whole

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "greeter"}
OPENING = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
CLOSING = {"index": 0, "delta": {}, "finish_reason": "stop"}
ERROR = {"message": "It broke.", "type": "upstream_error", "param": None, "code": "upstream_failed"}
MODEL = {"id": "greeter", "object": "model", "created": 1, "owned_by": "acme"}


def stream(*choices: dict[str, Any], rest: tuple[str, ...] = ("[DONE]",), **members: Any) -> bytes:
    data = [json.dumps({**HEAD, "choices": [choice], **members}) for choice in choices]
    return "".join(f"data: {event}\n\n" for event in (*data, *rest)).encode()


@pytest.mark.parametrize(
    "body",
    [
        stream(OPENING, CLOSING),
        stream(OPENING, CLOSING, obfuscation="xyz"),
        stream(OPENING, rest=(json.dumps({"error": {**ERROR, "retry_after": 1}}), "[DONE]")),
        stream(OPENING, CLOSING).replace(
            b"data: [DONE]", b": keep-alive\n\nevent: robutler.x\ndata: {}\n\ndata: [DONE]"
        ),
    ],
)
def test_a_stream_to_the_letter_is_well(body: bytes) -> None:
    assert complaints_about_stream(body) == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (stream(OPENING, CLOSING, x_groq={}), "'x_groq' was unexpected"),
        (stream({**OPENING, "delta": {"role": "assistant", "reasoning": "?"}}, CLOSING), "'reasoning' was unexpected"),
        (stream(OPENING, {**CLOSING, "finish_reason": "end_turn"}), "'end_turn'"),
        (stream(OPENING, CLOSING, rest=()), "[DONE]"),
        (stream(OPENING), "Every choice has a finish_reason"),
        (stream(OPENING, CLOSING, {**CLOSING, "finish_reason": None}), "goes on after its finish_reason"),
        (stream({**OPENING, "delta": {"content": ""}}, CLOSING), "an assistant speaks"),
        (stream(OPENING, CLOSING, usage=None), "the last, which has no choices"),
        (stream(OPENING) + stream(CLOSING, id="chatcmpl-2"), "share id"),
    ],
)
def test_a_stream_that_is_not_openais_is_seen(body: bytes, complaint: str) -> None:
    assert any(complaint in found for found in complaints_about_stream(body))


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/v1/chat/completions", 200, {**HEAD, "object": "chat.completion", "choices": [{"index": 0}]}),
        ("/v1/models", 200, {"object": "list", "data": [MODEL, {**MODEL, "public": True}]}),
        ("/v1/models/greeter", 200, {**MODEL, "created": "yesterday"}),
        ("/v1/chat/completions", 400, {"error": {**ERROR, "trace": "…"}}),
    ],
)
def test_an_answer_that_is_not_openais_is_seen(path: str, status: int, body: dict[str, Any]) -> None:
    assert complaints_about_whole(path, status, json.dumps(body).encode())
