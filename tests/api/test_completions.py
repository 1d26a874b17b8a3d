"""Completions over a real socket: whole and streamed, at every address an agent has."""

from collections.abc import Callable
from typing import Any

import pytest

from tests import make
from tests.api.client import HELLO, ApiClient

LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
Scripted = Callable[..., str]


def test_a_whole_completion(acme_client: ApiClient, greeter: str) -> None:
    answer = acme_client.post("/v1/chat/completions", {"model": greeter, **HELLO})

    assert answer.status == 200
    assert answer.json["model"] == greeter
    assert answer.json["choices"][0]["message"]["content"]
    assert answer.json["usage"]["total_tokens"] > 0


def test_a_paid_answer_says_what_it_cost(acme_client: ApiClient, acme: Any) -> None:
    slug = make.published(acme, price_per_run_nanos=1_500_000).slug

    answer = acme_client.post("/v1/chat/completions", {"model": slug, **HELLO})

    # Calling one's own agent on the free model costs the platform's fee and nothing more.
    assert answer.headers["x-robutler-run-id"]
    assert float(answer.headers["x-robutler-cost"]) >= 0
    assert len(answer.headers["x-robutler-cost"].partition(".")[2]) == 9


def test_a_streamed_completion(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"text": "one two three"})

    stream = acme_client.stream("/v1/chat/completions", {"model": slug, **HELLO})

    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-cache"
    assert stream.headers["x-accel-buffering"] == "no"
    assert stream.text == "one two three"
    assert stream.chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert stream.chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert stream.frames[-1] == "data: [DONE]"


@pytest.mark.parametrize(
    "path",
    [
        "/{agent}/chat/completions",
        "/{agent}/v1/chat/completions",
        "/{org}/{agent}/chat/completions",
        "/{org}/{agent}/v1/chat/completions",
        "/agents/{agent}/chat/completions",
        "/agents/{agent}/v1/chat/completions",
        "/agents/{org}/{agent}/chat/completions",
        "/agents/{org}/{agent}/v1/chat/completions",
    ],
)
def test_an_agent_answers_at_each_of_its_addresses(acme_client: ApiClient, acme: Any, greeter: str, path: str) -> None:
    answer = acme_client.post(path.format(org=acme.slug, agent=greeter), {"model": "ignored", **HELLO})

    assert (answer.status, answer.json["model"]) == (200, greeter)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions"])
def test_without_an_agent_in_the_path_the_model_names_it(acme_client: ApiClient, greeter: str, path: str) -> None:
    named, unnamed = acme_client.post(path, {"model": greeter, **HELLO}), acme_client.post(path, HELLO)

    assert named.status == 200
    assert unnamed.code == (400, "invalid_request_error", "missing_required_parameter")
    assert unnamed.error["param"] == "model"


@pytest.mark.parametrize(
    "path",
    ["/a/b/c/chat/completions", "/agents/chat/completions", "//chat/completions", "/agents/a/b/c/chat/completions"],
)
def test_an_address_of_nobody_is_not_found(acme_client: ApiClient, path: str) -> None:
    answer = acme_client.post(path, HELLO)

    assert answer.code == (404, "invalid_request_error", "not_found")
    assert answer.json["detail"] == answer.error["message"]


def test_a_public_agent_of_another_is_called_by_its_full_name(
    globex_client: ApiClient, acme: Any, scripted: Scripted
) -> None:
    address = f"{acme.slug}/{scripted({'text': 'hi'}, visibility='public')}"

    by_model = globex_client.post("/v1/chat/completions", {"model": address, **HELLO})
    by_path = globex_client.post(f"/{address}/chat/completions", HELLO)

    assert by_model.json["model"] == by_path.json["model"] == address


def test_a_neighbour_cannot_tell_that_an_agent_exists(globex_client: ApiClient, acme: Any, greeter: str) -> None:
    for hidden, absent in (
        (f"/{greeter}/chat/completions", "/nobody/chat/completions"),
        (f"/{acme.slug}/{greeter}/chat/completions", "/nobody/nothing/chat/completions"),
    ):
        one, other = globex_client.post(hidden, HELLO), globex_client.post(absent, HELLO)

        assert (one.status, one.body) == (other.status, other.body)
        assert one.code == (404, "invalid_request_error", "model_not_found")
        volatile = {"x-request-id", "openai-processing-ms", "date"}
        volatile |= {
            name for name in one.headers if name.startswith("x-ratelimit")
        }  # each request counts, of the asker
        assert one.headers.keys() == other.headers.keys()
        assert {n: v for n, v in one.headers.items() if n not in volatile} == {
            n: v for n, v in other.headers.items() if n not in volatile
        }


def test_usage_comes_only_when_asked_for(acme_client: ApiClient, greeter: str) -> None:
    body = {"model": greeter, **HELLO}

    plain = acme_client.stream("/v1/chat/completions", body)
    asked = acme_client.stream("/v1/chat/completions", {**body, "stream_options": {"include_usage": True}})

    assert all("usage" not in chunk for chunk in plain.chunks)
    assert [chunk["usage"] for chunk in asked.chunks[:-1]] == [None] * (len(asked.chunks) - 1)
    assert asked.chunks[-1]["choices"] == []
    assert asked.chunks[-1]["usage"]["total_tokens"] > 0


def test_a_client_tool_is_returned_answered_and_continued(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"match": "look", "calls": [{"name": "look"}], "then": [{"text": "I saw it."}]})
    question = {"role": "user", "content": "please look"}

    first = acme_client.post("/v1/chat/completions", {"model": slug, "messages": [question], "tools": [LOOK]})
    message = first.json["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "a bird"}
    again = {"model": slug, "messages": [question, message, result], "tools": [LOOK]}
    second = acme_client.post("/v1/chat/completions", again)

    assert first.json["choices"][0]["finish_reason"] == "tool_calls"
    assert message["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}
    assert second.json["choices"][0]["message"]["content"] == "I saw it."


def test_a_legacy_client_gets_and_answers_a_function_call(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"match": "look", "calls": [{"name": "look"}], "then": [{"text": "I saw it."}]})
    body = {"model": slug, "functions": [LOOK["function"]]}
    question = {"role": "user", "content": "please look"}

    first = acme_client.post("/v1/chat/completions", {**body, "messages": [question]})
    message = first.json["choices"][0]["message"]
    result = {"role": "function", "name": "look", "content": "a bird"}
    second = acme_client.post("/v1/chat/completions", {**body, "messages": [question, message, result]})

    assert first.json["choices"][0]["finish_reason"] == "function_call"
    assert message["function_call"]["name"] == "look"
    assert second.json["choices"][0]["message"]["content"] == "I saw it."


def test_several_choices_are_answered(acme_client: ApiClient, scripted: Scripted) -> None:
    slug = scripted({"text": "hi"})

    whole = acme_client.post("/v1/chat/completions", {"model": slug, "n": 2, **HELLO})
    stream = acme_client.stream("/v1/chat/completions", {"model": slug, "n": 2, **HELLO})

    assert [choice["message"]["content"] for choice in whole.json["choices"]] == ["hi", "hi"]
    assert {choice["index"] for chunk in stream.chunks for choice in chunk["choices"]} == {0, 1}


def test_the_agents_own_tool_shows_only_to_who_asks(acme_client: ApiClient, scripted: Scripted) -> None:
    from agents.services.drafts import SkillChoice

    add = {"name": "calculate", "arguments": {"expression": "2 + 2"}}
    slug = scripted(
        {"text": "Let me see. ", "calls": [add], "then": [{"text": "Four."}]}, skills=[SkillChoice(skill="calculator")]
    )
    body = {"model": slug, **HELLO}

    plain = acme_client.stream("/v1/chat/completions", body)
    asked = acme_client.stream("/v1/chat/completions", body, X_Robutler_Events="1")

    assert plain.text == asked.text == "Let me see. Four."
    assert not any(frame.startswith("event:") for frame in plain.frames)
    named = [frame.split("\n")[0] for frame in asked.frames if frame.startswith("event:")]
    assert named == ["event: robutler.tool_call", "event: robutler.tool_result"]
    assert {choice["finish_reason"] for chunk in plain.chunks for choice in chunk["choices"]} == {None, "stop"}


def test_ignored_parameters_are_named(acme_client: ApiClient, greeter: str) -> None:
    body = {"model": greeter, "top_k": 5, "min_p": 0.1, **HELLO}

    whole, stream = acme_client.post("/v1/chat/completions", body), acme_client.stream("/v1/chat/completions", body)

    assert whole.headers["x-robutler-ignored-params"] == "min_p, top_k"
    assert stream.headers["x-robutler-ignored-params"] == "min_p, top_k"


def test_a_conversation_is_named_by_header(acme_client: ApiClient, greeter: str) -> None:
    body = {"model": greeter, **HELLO}

    good = acme_client.post("/v1/chat/completions", body, X_Conversation_ID="c-1")
    bad = acme_client.post("/v1/chat/completions", body, X_Conversation_ID="c " * 5 + "x")

    assert good.status == 200
    assert bad.code == (400, "invalid_request_error", "invalid_value")
