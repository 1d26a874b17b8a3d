"""What the official SDK shows of an answer itself: its headers, its bytes, and its types read strictly."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.live.cast import Cast, ask
from tests.live.server import LiveServer
from tests.live.witness import Witness


def test_a_raw_response_has_the_headers_and_the_completion(live: LiveServer, cast: Cast, persona: str) -> None:
    mine = {"X-Request-ID": "mine-1"}

    with cast.client(live.url) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=persona, messages=ask("Hello."), extra_headers=mine
        )
        answer = raw.parse()

    assert (raw.request_id, answer._request_id) == ("mine-1", "mine-1")
    assert raw.headers["openai-version"] == "2020-10-01"
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.headers["x-robutler-run-id"].replace("-", "") == answer.id.removeprefix("chatcmpl-")
    assert float(raw.headers["x-robutler-cost"]) > 0
    for kind in ("requests", "tokens"):
        assert int(raw.headers[f"x-ratelimit-limit-{kind}"]) > int(raw.headers[f"x-ratelimit-remaining-{kind}"]) >= 0
        assert raw.headers[f"x-ratelimit-reset-{kind}"]
    assert answer.choices[0].message.content == "Hello there."


def test_the_server_names_a_request_that_has_no_name(live: LiveServer, cast: Cast) -> None:
    with cast.client(live.url) as client:
        answers = [client.models.with_raw_response.list() for _ in range(2)]

    assert len({answer.headers["x-request-id"] for answer in answers}) == 2


def test_a_streaming_response_is_lines_of_server_sent_events(live: LiveServer, cast: Cast, persona: str) -> None:
    with (
        cast.client(live.url) as client,
        client.chat.completions.with_streaming_response.create(
            model=persona, messages=ask("Hello."), stream=True
        ) as response,
    ):
        kind, cached = response.headers["content-type"], response.headers["cache-control"]
        lines = [line for line in response.iter_lines() if line]

    assert kind.startswith("text/event-stream")
    assert cached == "no-cache"
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"


def test_what_is_ignored_is_named(live: LiveServer, cast: Cast, persona: str) -> None:
    with cast.client(live.url) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=persona, messages=ask("Hello."), extra_body={"top_a": 0.5, "include_reasoning": True}
        )

    assert raw.headers["x-robutler-ignored-params"] == "include_reasoning, top_a"


@pytest.mark.parametrize("order", ["tool-look", "echo"])
def test_a_client_that_validates_strictly_finds_nothing(live: LiveServer, cast: Cast, order: str) -> None:
    look: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    asked: Any = {"model": cast.talker("openai", order), "messages": ask("{}"), "tools": [look], "n": 2}
    usage: Any = {"include_usage": True}

    with cast.client(live.url, _strict_response_validation=True) as client:
        models = list(client.models.list())
        whole = client.chat.completions.create(**asked)
        chunks = list(client.chat.completions.create(**asked, stream=True, stream_options=usage))

    assert models
    assert [choice.index for choice in whole.choices] == [0, 1]
    assert {c.index for chunk in chunks for c in chunk.choices} == {0, 1}
    ChatCompletion.model_validate(whole.model_dump(), strict=True)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.model_dump(), strict=True)


def test_padding_hides_how_long_a_piece_is(live: LiveServer, cast: Cast, persona: str) -> None:
    with (
        cast.client(live.url) as client,
        client.chat.completions.with_streaming_response.create(
            model=persona,
            messages=ask("Count to 30"),
            stream=True,
            stream_options={"include_obfuscation": True},
        ) as response,
    ):
        data = [line[6:] for line in response.iter_lines() if line.startswith("data: {")]

    padded = [line for line in data if "obfuscation" in json.loads(line)]
    assert len(padded) > 30
    assert (
        len({len(line) for line in padded}) < len({len(json.loads(line)["choices"][0]["delta"]) for line in data}) + 2
    )


def test_the_witness_sees_what_openai_would_not_send(live: LiveServer, cast: Cast) -> None:
    witness = Witness()

    with cast.client(live.url, witness=witness) as client:
        client.models.list()
        assert witness.complaints == []
        witness.judge(client.models.with_raw_response.list().http_response, b'{"data": [{"id": "x"}]}')
        found, witness.complaints = witness.complaints, []

    assert any("'owned_by' is a required property" in complaint for complaint in found)
