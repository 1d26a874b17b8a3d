"""What a client sends reaches the model's provider as it was sent, and what the provider says comes back."""

import json
from typing import Any

import httpx
import pytest

from tests.fakes.upstream import Upstream
from tests.live.cast import Cast, ask
from tests.live.server import LiveServer
from tests.openai_types import complaints_about_stream, complaints_about_whole

SKILLS = ["openai", "litellm"]
PATH = "/v1/chat/completions"
IGNORED = "x-robutler-ignored-params"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TAKEN_BY_ALL: dict[str, Any] = {
    "frequency_penalty": 0.5, "logit_bias": {"50256": -100}, "logprobs": True, "modalities": ["text"],
    "parallel_tool_calls": True, "presence_penalty": -0.5, "seed": 7, "stop": ["END", "STOP"], "store": False,
    "temperature": 0.2, "tool_choice": "auto", "top_logprobs": 2, "top_p": 0.9,
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
}  # fmt: skip
TAKEN_BY_OPENAI: dict[str, Any] = {
    "audio": {"voice": "alloy", "format": "wav"}, "metadata": {"ticket": "42"}, "moderation": {"model": "omni"},
    "n": 2, "prediction": {"type": "content", "content": "1 2"}, "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit", "ttl": "30m"}, "prompt_cache_retention": "24h",
    "reasoning_effort": "high", "safety_identifier": "s", "service_tier": "default", "user": "u",
    "verbosity": "low",
}  # fmt: skip
VENDORS: dict[str, Any] = {
    "chat_template_kwargs": {"enable_thinking": False}, "min_p": 0.1, "provider": {"order": ["a"]},
    "reasoning": {"effort": "low"}, "top_k": 40,
}  # fmt: skip
LOOK = {"name": "look", "description": "Look.", "parameters": SCHEMA}
CITATION = {"start_index": 0, "end_index": 2, "title": "A", "url": "https://example.com/"}
TOKEN = {"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}


PARTS: list[dict[str, Any]] = [
    {"type": "text", "text": "hello you"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
]


class Client:
    """Globex, who reads every answer strictly."""

    def __init__(self, live: LiveServer, cast: Cast, upstream: Upstream) -> None:
        self._url = live.url + PATH
        self._key = {"Authorization": f"Bearer {cast.globex_key}"}
        self._upstream = upstream

    def post(self, model: str, said: Any = "hello you", **fields: Any) -> httpx.Response:
        messages = said if isinstance(said, list) else ask(said)
        body = {"model": model, "messages": messages, **fields}
        answer = httpx.post(self._url, json=body, headers=self._key, timeout=60)
        if fields.get("stream"):
            assert complaints_about_stream(answer.content) == []
        else:
            assert complaints_about_whole(PATH, answer.status_code, answer.content) == []
        return answer

    @property
    def sent(self) -> dict[str, Any]:
        """What the provider was sent last."""
        return self._upstream.exchanges[-1].body or {}


@pytest.fixture
def client(live: LiveServer, cast: Cast, upstream: Upstream) -> Client:
    return Client(live, cast, upstream)


def events(*deltas: dict[str, Any], **choice: Any) -> str:
    """An order for a stream of just these deltas, and an end."""
    ends = [*[{"delta": delta, **choice} for delta in deltas], {"delta": {}, "finish_reason": "stop"}]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "system_fingerprint": "fp_7"}
    chunks = [{**head, "choices": [{"index": 0, "finish_reason": None, **end}]} for end in ends]
    data = [*map(json.dumps, chunks), json.dumps({**head, "choices": [], "usage": USAGE}), "[DONE]"]
    return "/raw " + "".join(f"data: {each}\n\n" for each in data)


USAGE = {
    "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 1, "cache_write_tokens": 2},
    "completion_tokens_details": {
        "reasoning_tokens": 2, "audio_tokens": 1, "accepted_prediction_tokens": 1, "rejected_prediction_tokens": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("skill", "fields"), [("openai", {**TAKEN_BY_ALL, **TAKEN_BY_OPENAI, **VENDORS}), ("litellm", TAKEN_BY_ALL)]
)
def test_every_field_reaches_the_provider_as_sent(
    client: Client, cast: Cast, skill: str, fields: dict[str, Any], *, stream: bool
) -> None:
    answer = client.post(cast.talker(skill), stream=stream, max_completion_tokens=500, **fields)

    assert answer.status_code == 200
    assert {name: client.sent.get(name) for name in fields} == fields
    assert client.sent["max_tokens"] == 500
    assert IGNORED not in answer.headers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("skill", ["scripted", "litellm"])
def test_fields_of_other_vendors_are_named_where_they_are_left_out(
    client: Client, cast: Cast, skill: str, *, stream: bool
) -> None:
    answer = client.post(cast.talker(skill), stream=stream, **VENDORS, best_of=3)

    assert answer.status_code == 200
    assert answer.headers[IGNORED].split(", ") == sorted([*VENDORS, "best_of"])
    assert skill == "scripted" or not VENDORS.keys() & client.sent.keys()


@pytest.mark.parametrize("stream", [False, True])
def test_what_an_agent_goes_on_without_is_named(client: Client, cast: Cast, *, stream: bool) -> None:
    agent = cast.publish(model="deepseek/echo", drop_unsupported=True)

    answer = client.post(agent, stream=stream, verbosity="low", user="somebody", seed=1)

    assert answer.status_code == 200
    assert answer.headers[IGNORED].split(", ") == ["user", "verbosity"]
    assert client.sent["seed"] == 1


def test_what_a_model_does_not_take_is_an_error_that_names_it(client: Client, cast: Cast) -> None:
    error = client.post(cast.talker("litellm"), verbosity="low").json()["error"]

    assert (error["code"], error["param"]) == ("unsupported_parameter", "verbosity")


def test_pictures_sounds_and_files_pass(client: Client, cast: Cast) -> None:
    client.post(cast.talker("openai"), [{"role": "user", "content": PARTS, "name": "ann"}])

    assert client.sent["messages"] == [{"role": "user", "content": PARTS, "name": "ann"}]


def test_what_a_provider_would_not_see_is_an_error(client: Client, cast: Cast) -> None:
    answer = client.post(cast.talker("litellm"), [{"role": "user", "content": PARTS}])

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "messages"


def test_a_picture_by_address_is_for_the_provider_to_fetch(client: Client, cast: Cast) -> None:
    parts = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]

    client.post(cast.talker("openai"), [{"role": "user", "content": parts}])

    assert client.sent["messages"][0]["content"] == parts


@pytest.mark.parametrize("skill", SKILLS)
def test_developers_speak_as_the_system(client: Client, cast: Cast, skill: str) -> None:
    client.post(cast.talker(skill), [{"role": "developer", "content": "Be kind."}, *ask("hello")])

    assert client.sent["messages"] == [{"role": "system", "content": "Be kind."}, *ask("hello")]


@pytest.mark.parametrize("skill", SKILLS)
def test_a_marked_part_comes_without_its_mark_and_that_is_said(client: Client, cast: Cast, skill: str) -> None:
    part = {"type": "text", "text": "hello you"}
    marked = {**part, "cache_control": {"type": "ephemeral"}}

    answer = client.post(cast.talker(skill), [{"role": "user", "content": [marked]}])

    assert client.sent["messages"][0]["content"] in ([part], "hello you")
    assert answer.headers[IGNORED] == "messages[].content[].cache_control"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("skill", SKILLS)
def test_functions_of_old_are_tools_to_the_provider_and_functions_to_the_client(
    client: Client, cast: Cast, skill: str, *, stream: bool
) -> None:
    agent = cast.talker(skill, "tool-look")

    answer = client.post(agent, '/tool-look {"a": "x"}', functions=[LOOK], function_call="auto", stream=stream)

    assert client.sent["tools"][-1] == {"type": "function", "function": LOOK}
    assert not {"functions", "function_call"} & client.sent.keys()
    if stream:
        assert '"finish_reason":"function_call"' in answer.text
        assert '"function_call":{"name":"look"' in answer.text
    else:
        choice = answer.json()["choices"][0]
        assert choice["finish_reason"] == "function_call"
        assert choice["message"]["function_call"] == {"name": "look", "arguments": '{"a": "x"}'}


@pytest.mark.parametrize("stream", [False, True])
def test_every_choice_comes_back(client: Client, cast: Cast, *, stream: bool) -> None:
    answer = client.post(cast.talker("openai", "count-3"), n=3, stream=stream)

    chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    answers = [chunk["choices"] for chunk in chunks] if stream else [answer.json()["choices"]]
    assert {choice["index"] for choices in answers for choice in choices} == {0, 1, 2}


@pytest.mark.parametrize("skill", SKILLS)
def test_usage_comes_back_in_every_detail(client: Client, cast: Cast, skill: str) -> None:
    answer = client.post(cast.talker(skill), events({"content": "Hi"}))

    assert answer.json()["usage"] == USAGE


@pytest.mark.parametrize("skill", SKILLS)
@pytest.mark.parametrize(
    ("delta", "choice", "found"),
    [
        ({"refusal": "No."}, {}, {"refusal": "No.", "content": None}),
        (
            {"content": "Hi", "annotations": [{"type": "url_citation", "url_citation": CITATION}]},
            {},
            {"content": "Hi", "annotations": [{"type": "url_citation", "url_citation": CITATION}]},
        ),
        (
            {"audio": {"id": "a", "data": "AAAA", "expires_at": 9, "transcript": "Hi"}},
            {},
            {"content": None, "audio": {"id": "a", "data": "AAAA", "expires_at": 9, "transcript": "Hi"}},
        ),
        ({"content": "Hi"}, {"logprobs": {"content": [TOKEN], "refusal": None}}, {"content": "Hi"}),
    ],
)
def test_what_the_provider_says_comes_back(
    client: Client, cast: Cast, skill: str, delta: dict[str, Any], choice: dict[str, Any], found: dict[str, Any]
) -> None:
    agent, order = cast.talker(skill), events(delta, **choice)

    answer = client.post(agent, order).json()
    streamed = client.post(agent, order, stream=True)

    message = answer["choices"][0]["message"]
    assert {name: message.get(name) for name in found} == found
    assert answer["choices"][0]["logprobs"] == choice.get("logprobs")
    if skill == "openai":  # litellm tells it of OpenAI itself only
        assert answer["system_fingerprint"] == "fp_7"
        assert streamed.text.count('"system_fingerprint":"fp_7"') == streamed.text.count("data: {")
