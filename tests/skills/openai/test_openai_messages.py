"""Tool results in a form that OpenAI accepts."""

from typing import Any

from skills.openai.messages import sendable

IMAGE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
TEXT: dict[str, Any] = {"type": "text", "text": "A cat."}


def result(call: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "content": content}


def test_plain_messages_are_sent_as_they_are() -> None:
    messages = [{"role": "user", "content": [TEXT, IMAGE]}, result("a", "text")]

    assert sendable(messages) is messages


def test_text_parts_of_a_result_become_text() -> None:
    sent = sendable([result("a", [TEXT, {"type": "odd", "value": 1}, "stray"])])

    assert sent == [result("a", 'A cat.\n{"type":"odd","value":1}')]


def test_an_image_in_a_result_is_shown_after_all_results_of_the_turn() -> None:
    before, after = {"role": "assistant", "content": None}, {"role": "user", "content": "And?"}

    sent = sendable([before, result("a", [TEXT, IMAGE]), result("b", "plain"), result("c", [IMAGE]), after])

    assert [message["role"] for message in sent] == ["assistant", "tool", "tool", "tool", "user", "user"]
    assert all(isinstance(message["content"], str) for message in sent if message["role"] == "tool")
    assert sent[1]["content"].startswith("A cat.\n[1 of")
    assert [part["type"] for part in sent[4]["content"]] == ["text", "image_url", "text", "image_url"]
    assert "tool call c" in sent[4]["content"][2]["text"]
    assert sent[5] is after


def test_an_image_of_the_last_result_is_shown_last() -> None:
    sent = sendable([result("a", [IMAGE]), {"role": "user", "content": "x"}, result("b", [IMAGE])])

    assert [message["role"] for message in sent] == ["tool", "user", "user", "tool", "user"]
    assert IMAGE in sent[-1]["content"]


def test_what_was_given_is_not_changed() -> None:
    given = [result("a", [TEXT, IMAGE])]

    sendable(given)

    assert given == [result("a", [TEXT, IMAGE])]
