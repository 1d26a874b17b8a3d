"""The official SDK against a real server: what it raises, and when it tries again."""

from typing import Any

import httpx
import openai
import pytest

from tests import make
from tests.live.cast import Cast, ask, model_on
from tests.live.server import LiveServer
from tests.live.witness import Witness

PATIENT = 2


def refused(
    live: LiveServer,
    cast: Cast,
    kind: type[openai.APIStatusError],
    *,
    model: str = "x",
    key: str | None = None,
    **asked: Any,
) -> tuple[openai.APIStatusError, int]:
    """What a client that would try again is told, and how often it asked."""
    witness = Witness()
    with cast.client(live.url, key=key, witness=witness, max_retries=PATIENT) as client, pytest.raises(kind) as caught:
        client.chat.completions.create(model=model, **{"messages": ask("hi"), **asked})
    assert caught.value.request_id
    return caught.value, len(witness.requests)


def test_a_wrong_key_is_an_authentication_error(live: LiveServer, cast: Cast) -> None:
    error, asked = refused(live, cast, openai.AuthenticationError, key="rb_live_wrong")

    assert (error.code, asked) == ("invalid_api_key", 1)
    assert "Incorrect API key provided" in str(error)


def test_a_key_without_the_permission_is_denied(live: LiveServer, cast: Cast) -> None:
    key = make.key(cast.globex, permissions=["agents:read"])

    error, asked = refused(live, cast, openai.PermissionDeniedError, key=key)

    assert (error.code, error.type, asked) == ("insufficient_scope", "permission_error", 1)


def test_an_unknown_agent_is_a_not_found_error(live: LiveServer, cast: Cast) -> None:
    error, asked = refused(live, cast, openai.NotFoundError, model="nobody")

    assert (error.code, error.param, asked) == ("model_not_found", "model", 1)


def test_an_empty_wallet_is_a_402(live: LiveServer, cast: Cast) -> None:
    poor = make.key(make.organization("Poor"))

    error, asked = refused(live, cast, openai.APIStatusError, model=cast.talker(), key=poor)

    assert (error.status_code, error.code, error.type) == (402, "credit_balance_exhausted", "insufficient_quota")
    assert asked == 1


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "out of range": ({"temperature": 3}, "invalid_value", "temperature"),
    "of the wrong type": ({"max_completion_tokens": "many"}, "invalid_type", "max_completion_tokens"),
    "unknown": ({"extra_body": {"api_base": "http://127.0.0.1"}}, "unknown_parameter", "api_base"),
    "no messages": ({"messages": []}, "invalid_value", "messages"),
    "an unknown role": ({"messages": [{"role": "robot", "content": "hi"}]}, "invalid_value", "messages[0].role"),
    "a result without a call": (
        {"messages": [{"role": "tool", "tool_call_id": "call_1", "content": "?"}]},
        "invalid_value",
        "messages[0].tool_call_id",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_request_is_a_bad_request_error_about_its_field(live: LiveServer, cast: Cast, wrong: str) -> None:
    asked, code, param = WRONG[wrong]

    error, times = refused(live, cast, openai.BadRequestError, **asked)

    assert (error.code, error.param, error.type, times) == (code, param, "invalid_request_error", 1)


def test_too_many_requests_are_tried_again_after_the_pause_they_are_told(live: LiveServer, cast: Cast) -> None:
    address = cast.publish(
        model="scripted/persona", options={"rules": [{"error": "rate_limited", "retry_after_s": 0.5}]}
    )

    error, asked = refused(live, cast, openai.RateLimitError, model=address)

    assert (error.code, error.type, asked) == ("rate_limit_exceeded", "rate_limit_error", 1 + PATIENT)
    assert error.response.headers["retry-after"] == "1"


def test_trying_again_succeeds_once_the_model_is_well(live: LiveServer, cast: Cast) -> None:
    address = cast.publish(model="openai/count-3:status=503:times=1", options={"retries": 0})
    witness = Witness()

    with cast.client(live.url, witness=witness, max_retries=PATIENT) as client:
        answer = client.chat.completions.create(model=address, messages=ask("hi"))

    assert answer.choices[0].message.content == "1 2 3 "
    assert [request.headers["x-stainless-retry-count"] for request in witness.requests] == ["0", "1"]


def test_what_only_the_agents_owner_can_mend_is_not_tried_again(live: LiveServer, cast: Cast) -> None:
    error, asked = refused(live, cast, openai.InternalServerError, model=cast.talker("openai", "fault-401"))

    assert (error.status_code, error.code, asked) == (502, "upstream_failed", 1)


def test_a_client_out_of_patience_raises_a_timeout(live: LiveServer, cast: Cast) -> None:
    address = cast.publish(model="scripted/persona", options={"rules": [{"text": "Late.", "delay_ms": 5_000}]})

    with cast.client(live.url, timeout=0.3) as client, pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model=address, messages=ask("hi"))


def test_nobody_listening_is_a_connection_error(cast: Cast) -> None:
    with cast.client("http://127.0.0.1:9") as client, pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="x", messages=ask("hi"))


def test_bad_json_is_a_400(live: LiveServer, cast: Cast) -> None:
    headers = {"Authorization": f"Bearer {cast.globex_key}", "Content-Type": "application/json"}

    answer = httpx.post(f"{live.url}/v1/chat/completions", content=b'{"model":', headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


@pytest.fixture(scope="module")
def litellm_is_here(live: LiveServer, cast: Cast) -> None:
    """Whoever uses litellm first waits for its import, perhaps until the stream has begun."""
    with cast.client(live.url) as client:
        client.chat.completions.create(model=cast.talker("litellm"), messages=ask("hi"))


FAULTS = {
    "fault-429:after=9": (openai.RateLimitError, 429, "rate_limit_exceeded"),
    "fault-500": (openai.InternalServerError, 502, "upstream_failed"),
    "fault-503": (openai.InternalServerError, 503, "upstream_overloaded"),
    "fault-cut-early": (openai.InternalServerError, 502, "upstream_failed"),
    "fault-mute": (openai.InternalServerError, 504, "upstream_timeout"),
}


@pytest.mark.usefixtures("litellm_is_here")
@pytest.mark.parametrize("skill", ["openai", "anthropic", "litellm"])
@pytest.mark.parametrize("order", FAULTS)
def test_an_upstream_that_fails_at_once_is_an_honest_error(
    live: LiveServer, cast: Cast, skill: str, order: str
) -> None:
    kind, status, code = FAULTS[order]
    address = cast.publish(model=model_on(skill, order))

    with cast.client(live.url) as client, pytest.raises(kind) as caught:
        client.chat.completions.create(model=address, messages=ask("hi"), stream=True)

    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(
    ("skill", "order"),
    [
        *(("openai", f"fault-{kind}") for kind in ("cut", "half", "stall", "badjson", "error")),
        *(("litellm", f"fault-{kind}") for kind in ("cut", "half", "stall", "error")),
    ],
)
def test_an_upstream_that_fails_in_the_middle_is_an_error_in_the_stream(
    live: LiveServer, cast: Cast, skill: str, order: str
) -> None:
    address = cast.publish(model=model_on(skill, order))
    words: list[str] = []

    def read() -> None:
        for chunk in client.chat.completions.create(model=address, messages=ask("hi"), stream=True):
            words.extend(c.delta.content or "" for c in chunk.choices)

    with cast.client(live.url) as client, pytest.raises(openai.APIError) as caught:
        read()

    assert "".join(words).startswith("1 ")
    assert caught.value.code in ("upstream_failed", "upstream_timeout")
