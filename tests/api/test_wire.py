"""Runs in OpenAI's words: every chunk and completion is one that its own SDK reads strictly."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from agents.runtime.events import Delta, Event, Finished, ToolFinished, ToolStarted, TurnFinished
from api.openai.wire import Chunks, Envelope, completion, json_string
from skills.sdk.model import ToolCallFragment
from skills.sdk.usage import Usage
from tests.openai_types import complaints

USAGE = Usage(input_tokens=10, cached_input_tokens=4, output_tokens=5, reasoning_tokens=2)
STOP = Finished(reasons={0: "stop"}, usage=USAGE)
HELLO: list[Event] = [Delta(text="Hel"), Delta(text="lo\n\u2028é"), STOP]
CALLS: list[Event] = [
    Delta(text="Let me see."),
    Delta(tool_calls=(ToolCallFragment(index=0, id="call_1", name="look"),)),
    Delta(tool_calls=(ToolCallFragment(index=0, arguments='{"a":'), ToolCallFragment(index=1, id="call_2", name="go"))),
    Delta(tool_calls=(ToolCallFragment(index=0, arguments="1}"), ToolCallFragment(index=1, arguments="{}"))),
    Finished(reasons={0: "tool_calls"}, usage=USAGE),
]


def envelope(**wishes: Any) -> Envelope:
    return Envelope(id="chatcmpl-1", created=1_700_000_000, model="greeter", **wishes)


def sent(events: Sequence[Event], **wishes: Any) -> list[dict[str, Any]]:
    """The chunks of a stream, each checked against OpenAI's own type."""
    data = Chunks(envelope(**wishes)).encode(events)
    found = []
    for frame in data.decode().split("\n\n")[:-1]:
        line = frame.split("\n")[-1]
        assert line.startswith("data: ")
        found.append(json.loads(line[6:]))
        if not frame.startswith("event:"):
            assert complaints(ChatCompletionChunk, found[-1]) == []
    return found


def whole(events: Sequence[Event], **wishes: Any) -> dict[str, Any]:
    """A completion, checked against OpenAI's own type."""
    body = completion(events, envelope(**wishes))
    parsed: dict[str, Any] = json.loads(body)
    assert complaints(ChatCompletion, parsed) == []
    return parsed


def deltas(chunks: list[dict[str, Any]], choice: int = 0) -> list[dict[str, Any]]:
    return [c["delta"] for chunk in chunks for c in chunk["choices"] if c["index"] == choice]


def test_a_stream_begins_with_the_role_and_ends_with_the_reason() -> None:
    chunks = sent(HELLO)

    assert deltas(chunks) == [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo\n\u2028é"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert all("usage" not in chunk for chunk in chunks)
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks} == {
        ("chatcmpl-1", 1_700_000_000, "greeter")
    }


def test_usage_is_null_until_a_last_chunk_without_choices() -> None:
    *chunks, last = sent(HELLO, include_usage=True)

    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 15
    assert last["usage"]["prompt_tokens_details"]["cached_tokens"] == 4


def test_a_run_without_words_still_opens_and_closes() -> None:
    assert deltas(sent([STOP])) == [{"role": "assistant", "content": ""}, {}]


def test_whatever_comes_first_the_stream_opens_once() -> None:
    chunks = Chunks(envelope())

    unseen = chunks.encode([TurnFinished(turn=1, model="scripted/x", usage=USAGE)])
    first = chunks.encode([ToolStarted(call_id="c", name="add", arguments="{}", turn=1)])
    rest = chunks.encode(HELLO)

    assert unseen == b""
    assert first.count(b"assistant") == 1
    assert b"assistant" not in rest


def test_what_the_provider_says_of_its_reply_is_passed_on() -> None:
    told = {"service_tier": "flex", "system_fingerprint": "fp_1"}
    events: list[Event] = [Delta(text="a", about=told), Delta(text="b", about={"system_fingerprint": "fp_2"}), STOP]

    chunks, body = sent(events), whole(events)

    assert {(chunk["service_tier"], chunk["system_fingerprint"]) for chunk in chunks} == {("flex", "fp_1")}
    assert (body["service_tier"], body["system_fingerprint"]) == ("flex", "fp_1")


@pytest.mark.parametrize("told", [None, {"service_tier": "on_demand", "system_fingerprint": 5}])
def test_a_provider_that_says_nothing_of_use_is_not_quoted(told: dict[str, Any] | None) -> None:
    body = whole([Delta(text="a", about=told), STOP])

    assert (body["service_tier"], body["system_fingerprint"]) == ("default", None)


def test_moderation_has_a_chunk_of_its_own() -> None:
    error = {"type": "error", "code": "busy", "message": "Later."}
    events: list[Event] = [Delta(text="a"), Delta(about={"moderation": {"input": error, "output": error}}), STOP]

    found = [chunk for chunk in sent(events) if "moderation" in chunk]

    assert [(chunk["choices"], chunk["moderation"]["input"]) for chunk in found] == [([], error)]
    assert whole(events)["moderation"]["output"] == error


def test_annotations_and_audio_have_openais_shape_or_are_left_out() -> None:
    citation = {"start_index": 0, "end_index": 1, "title": "A", "url": "https://example.com/"}
    good = {"type": "url_citation", "url_citation": citation}
    odd = [{"type": "file", "file": {}}, {"type": "url_citation", "url_citation": {"url": "x"}}]
    events: list[Event] = [
        Delta(extras={"annotations": [{**good, "url_citation": {**citation, "content": "?"}}, *odd]}),
        Delta(extras={"audio": {"id": "a1", "data": "AAAA", "transcript": "Hi", "sample_rate": 8000}}),
        STOP,
    ]

    message = whole(events)["choices"][0]["message"]

    assert message["annotations"] == [good]
    assert message["audio"] == {"id": "a1", "data": "AAAA", "expires_at": 0, "transcript": "Hi"}
    assert message["content"] is None
    assert {"annotations": [good]} in deltas(sent(events))


def test_call_fragments_go_out_once_each_by_index() -> None:
    chunks = sent(CALLS)

    fragments = [call for delta in deltas(chunks) for call in delta.get("tool_calls", ())]
    assert fragments == [
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a":'}},
        {"index": 1, "id": "call_2", "type": "function", "function": {"name": "go", "arguments": ""}},
        {"index": 0, "function": {"arguments": "1}"}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_legacy_client_gets_its_function_call() -> None:
    chunks = sent(CALLS[:2] + CALLS[-1:], legacy=True)
    message = whole(CALLS, legacy=True)["choices"][0]

    assert {"function_call": {"name": "look", "arguments": ""}} in deltas(chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"
    assert message["message"]["function_call"] == {"name": "look", "arguments": '{"a":1}'}
    assert "tool_calls" not in message["message"]
    assert message["finish_reason"] == "function_call"


def test_choices_are_kept_apart() -> None:
    events: list[Event] = [
        Delta(choice=1, text="b"),
        Delta(text="a"),
        Finished(reasons={0: "stop", 1: "length"}, usage=USAGE),
    ]

    chunks, body = sent(events), whole(events)

    assert deltas(chunks, 0) == [{"role": "assistant", "content": ""}, {"content": "a"}, {}]
    assert deltas(chunks, 1) == [{"role": "assistant", "content": ""}, {"content": "b"}, {}]
    assert [(c["message"]["content"], c["finish_reason"]) for c in body["choices"]] == [("a", "stop"), ("b", "length")]


def test_logprobs_are_passed_on_and_put_together() -> None:
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    events: list[Event] = [
        Delta(text="a", logprobs={"content": [token], "refusal": None}),
        Delta(logprobs={"content": [token]}),
        STOP,
    ]

    chunks, body = sent(events), whole(events)

    assert chunks[1]["choices"][0]["logprobs"]["content"] == [token]
    assert body["choices"][0]["logprobs"] == {"content": [token, token], "refusal": None}


def test_a_refusal_is_no_content() -> None:
    events: list[Event] = [Delta(refusal="I will "), Delta(refusal="not."), STOP]

    message = whole(events)["choices"][0]["message"]

    assert {"refusal": "I will "} in deltas(sent(events))
    assert (message["content"], message["refusal"]) == (None, "I will not.")


def test_the_agents_own_calls_stay_invisible() -> None:
    inner: list[Event] = [
        ToolStarted(call_id="c", name="add", arguments="{}", turn=1),
        ToolFinished(call_id="c", name="add", ok=True, content="4", duration_s=0.1),
        TurnFinished(turn=1, model="scripted/x", usage=USAGE),
        Delta(reasoning="hm"),
    ]

    assert deltas(sent([*inner, *HELLO])) == deltas(sent(HELLO))
    assert whole([*inner, *HELLO]) == whole(HELLO)


def test_who_asks_for_events_sees_the_agents_calls() -> None:
    events: list[Event] = [
        ToolStarted(call_id="c", name="add", arguments="{}", turn=1),
        ToolFinished(call_id="c", name="add", ok=True, content="4", duration_s=0.1),
        TurnFinished(turn=1, model="scripted/x", usage=USAGE),
        Delta(reasoning="hm"),
        *HELLO,
    ]

    text = Chunks(envelope(named_events=True)).encode(events).decode()

    names = [line[7:] for line in text.splitlines() if line.startswith("event: ")]
    assert names == ["robutler.tool_call", "robutler.tool_result", "robutler.reasoning"]
    calls = [chunk["robutler"] for chunk in sent(events, named_events=True) if "robutler" in chunk]
    assert calls[0] == {"id": "c", "name": "add", "arguments": "{}", "turn": 1}


def test_obfuscation_hides_the_length_of_a_delta() -> None:
    chunks = sent([Delta(text="a"), Delta(text="abcdef"), STOP], obfuscate=True)

    assert all(chunk["obfuscation"] for chunk in chunks[:-1])
    assert "obfuscation" not in chunks[-1]


def test_a_failure_ends_the_stream() -> None:
    assert Chunks(envelope()).failure(b'{"error":{}}') == b'data: {"error":{}}\n\ndata: [DONE]\n\n'


def test_a_whole_completion_is_the_same_events_collected() -> None:
    body = whole(HELLO)

    assert body["object"] == "chat.completion"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello\n\u2028é", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert body["usage"]["prompt_tokens"] == 10
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 2


def test_calls_are_put_together() -> None:
    choice = whole(CALLS)["choices"][0]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Let me see."
    assert choice["message"]["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "go", "arguments": "{}"}},
    ]


def test_a_call_alone_has_no_content() -> None:
    assert whole(CALLS[1:])["choices"][0]["message"]["content"] is None


def test_annotations_and_sound_are_put_together() -> None:
    note = {
        "type": "url_citation",
        "url_citation": {"start_index": 0, "end_index": 1, "title": "t", "url": "https://x"},
    }
    pieces = [base64.b64encode(piece).decode() for piece in (b"abcd", b"e")]
    events: list[Event] = [
        Delta(extras={"annotations": [note], "audio": {"id": "a", "data": pieces[0], "transcript": "he"}}),
        Delta(extras={"annotations": [note], "audio": {"data": pieces[1], "transcript": "llo", "expires_at": 5}}),
        Delta(extras={"audio": {"data": "", "transcript": ""}}),
        STOP,
    ]

    message = whole(events)["choices"][0]["message"]

    assert message["annotations"] == [note, note]
    assert base64.b64decode(message["audio"]["data"]) == b"abcde"
    assert message["audio"]["transcript"] == "hello"
    assert {"annotations": [note], "audio": {"id": "a", "data": pieces[0], "transcript": "he"}} in deltas(sent(events))


def test_sound_that_is_no_base64_is_left_as_it_is() -> None:
    events: list[Event] = [Delta(extras={"audio": {"id": "a", "data": "x=y", "transcript": "", "expires_at": 1}}), STOP]

    assert whole(events)["choices"][0]["message"]["audio"]["data"] == "x=y"


def test_half_a_character_becomes_a_whole_one() -> None:
    half = "a\ud800b"
    events: list[Event] = [
        Delta(text=half),
        Delta(refusal=half, extras={"annotations": [], "audio": {"data": half}}),
        Delta(tool_calls=(ToolCallFragment(index=0, id="c", name="look", arguments=half),)),
    ]

    assert deltas(sent(events))[1:3] == [{"content": "a\ufffdb"}, {"refusal": "a\ufffdb"}]
    assert json.loads(completion([*events, STOP], envelope()))["choices"][0]["message"]["content"] == "a\ufffdb"


@pytest.mark.parametrize("text", ["", 'a"b\\', "\x00\x1f\n", "é😀", "\u2028\u2029\u0085", "</script>"])
def test_strings_survive_and_stay_on_one_line(text: str) -> None:
    encoded = json_string(text)

    assert json.loads(encoded) == text
    assert len(encoded.decode().splitlines()) == 1
