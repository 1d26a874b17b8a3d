"""Structured outputs over HTTP: whole or streamed, what goes out has the form that was asked for."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.client import HELLO, ApiClient
from tests.openai_types import complaints_about_stream, complaints_about_whole

GOOD = '{"city": "Riga"}'
FORM = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def asking(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "response_format": FORM, **HELLO, **fields}


def test_a_reply_out_of_form_is_mended_and_paid_for(acme_client: ApiClient, scripted: Callable[..., str]) -> None:
    agent = scripted({"text": "Riga, I think.", "then": [{"text": GOOD}]})

    answer = acme_client.post("/v1/chat/completions", asking(agent))
    stream = acme_client.stream("/v1/chat/completions", asking(agent, stream_options={"include_usage": True}))

    assert answer.json["choices"][0]["message"]["content"] == stream.text == GOOD
    assert complaints_about_whole("/v1/chat/completions", 200, answer.body) == []
    assert answer.json["usage"] == stream.chunks[-1]["usage"]
    assert answer.json["usage"]["completion_tokens"] == len("Riga, I think.") // 4 + 1 + len(GOOD) // 4


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_cannot_is_an_honest_error(
    acme_client: ApiClient, scripted: Callable[..., str], *, stream: bool
) -> None:
    agent = scripted({"text": "Riga.", "then": [{"text": "Riga, I said."}]})

    answer = acme_client.post("/v1/chat/completions", asking(agent, stream=stream))

    assert answer.code == (502, "upstream_error", "upstream_failed")
    assert answer.headers["x-should-retry"] == "false"
    assert "response_format" in answer.error["message"]


def test_every_choice_has_the_form(acme_client: ApiClient, scripted: Callable[..., str]) -> None:
    agent = scripted({"text": "Riga.", "then": [{"text": GOOD}]})

    answer = acme_client.post("/v1/chat/completions", asking(agent, n=3))
    stream = acme_client.stream("/v1/chat/completions", asking(agent, n=3))

    assert [choice["message"]["content"] for choice in answer.json["choices"]] == [GOOD] * 3
    assert complaints_about_stream("\n\n".join([*stream.frames, ""]).encode()) == []


def test_a_refusal_is_delivered(acme_client: ApiClient, scripted: Callable[..., str]) -> None:
    agent = scripted({"refusal": "I will not."})

    answer = acme_client.post("/v1/chat/completions", asking(agent))

    message = answer.json["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, "I will not.")


def test_the_persona_speaks_in_form(acme_client: ApiClient, greeter: str) -> None:
    answer = acme_client.post("/v1/chat/completions", asking(greeter))

    assert answer.json["choices"][0]["message"]["content"] == '{"city": "Hello!"}'


def test_a_schema_nobody_can_be_held_to_is_refused(acme_client: ApiClient, greeter: str) -> None:
    loose = {**FORM, "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}}}

    answer = acme_client.post("/v1/chat/completions", asking(greeter, response_format=loose))

    assert answer.code == (400, "invalid_request_error", "invalid_value")
    assert answer.error["param"] == "response_format.json_schema.schema"
    assert "additionalProperties" in answer.error["message"]
