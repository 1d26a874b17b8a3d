"""Answers of every kind, whole and streamed, read by OpenAI's own types: no field that they do not name."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.client import HELLO, ApiClient
from tests.openai_types import complaints_about_stream, complaints_about_whole

PATH = "/v1/chat/completions"
LOOK = {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}
TOOL = {"type": "function", "function": LOOK}
CITATION = {
    "type": "url_citation",
    "url_citation": {"start_index": 0, "end_index": 2, "title": "A", "url": "https://example.com/"},
}
SOUND = {"id": "audio_1", "data": "AAAA", "expires_at": 1, "transcript": "Hi"}
CALLING = {"text": "Let me see.", "calls": [{"name": "look", "arguments": {"at": "x"}}] * 2}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "text": ({"text": "Hello there."}, {}),
    "nothing": ({"text": ""}, {}),
    "reasoning": ({"text": "Hello.", "reasoning": "Hm."}, {}),
    "tools": (CALLING, {"tools": [TOOL]}),
    "functions": (CALLING, {"functions": [LOOK], "function_call": "auto"}),
    "three": ({"text": "Hello there."}, {"n": 3}),
    "three with tools": (CALLING, {"n": 3, "tools": [TOOL]}),
    "logprobs": ({"text": "Hello there."}, {"logprobs": True, "top_logprobs": 2}),
    "refusal": ({"refusal": "I will not."}, {"logprobs": True}),
    "annotations": ({"text": "Hi.", "annotations": [CITATION, {"type": "other"}]}, {}),
    "audio": ({"audio": SOUND}, {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}),
    "cut": ({"text": "Hello there, whoever you are."}, {"max_tokens": 2}),
    "filtered": ({"text": "Hell", "finish_reason": "content_filter"}, {}),
    "form": ({"text": "no", "then": [{"text": "{}"}]}, {"response_format": {"type": "json_object"}}),
}


@pytest.mark.parametrize("options", [{}, {"include_usage": True}, {"include_obfuscation": True}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_openais(
    acme_client: ApiClient, scripted: Callable[..., str], kind: str, options: dict[str, bool]
) -> None:
    said, asked = KINDS[kind]
    body = {"model": scripted(said), **HELLO, **asked}

    whole = acme_client.post(PATH, body)
    stream = acme_client.stream(PATH, {**body, "stream_options": options})

    assert (whole.status, stream.status) == (200, 200)
    assert complaints_about_whole(PATH, 200, whole.body) == []
    assert complaints_about_stream("\n\n".join([*stream.frames, ""]).encode()) == []
    assert _reasons(whole.json["choices"]) == _reasons(c for chunk in stream.chunks for c in chunk["choices"])


def _reasons(choices: Any) -> list[tuple[int, str]]:
    return sorted((choice["index"], choice["finish_reason"]) for choice in choices if choice["finish_reason"])


@pytest.mark.parametrize("error", ["unreachable", "rate_limited", "overloaded", "timeout", "rejected"])
def test_an_error_in_a_stream_is_openais_too(acme_client: ApiClient, scripted: Callable[..., str], error: str) -> None:
    agent = scripted({"text": "Hello there.", "error": error, "error_after": 1})

    stream = acme_client.stream(PATH, {"model": agent, **HELLO})

    assert "error" in stream.chunks[-1]
    assert complaints_about_stream("\n\n".join([*stream.frames, ""]).encode()) == []
