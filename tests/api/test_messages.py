"""The messages of a request: their shapes by role, and what makes a conversation of them."""

from typing import Any

import pytest

from tests.api.asking import CALL, HELLO, decode, refused


def file_part(**file: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "file", "file": file}]}


def test_every_role_and_part_is_taken_as_sent() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "be kind", "name": "boss"},
        {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "42", "tool_call_id": "call_1"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "refusal": "no"},
    ]

    assert decode(messages=messages).messages == messages


@pytest.mark.parametrize(
    ("messages", "code", "param"),
    [
        ("hi", "invalid_type", "messages"),
        ([], "invalid_value", "messages"),
        ([{}], "missing_required_parameter", "messages[0].role"),
        ([{"role": "root", "content": "x"}], "invalid_value", "messages[0].role"),
        ([{"role": "user", "content": 1}], "invalid_type", "messages[0].content"),
        ([{"role": "user", "content": None}], "invalid_type", "messages[0].content"),
        ([{"role": "user"}], "missing_required_parameter", "messages[0].content"),
        ([{"role": "user", "content": []}], "invalid_value", "messages[0].content"),
        ([{"role": "user", "content": [{"type": "video"}]}], "invalid_value", "messages[0].content[0].type"),
        ([{"role": "user", "content": "x", "secret": 1}], "unknown_parameter", "messages[0].secret"),
        ([{"role": "assistant", "content": None}], "missing_required_parameter", "messages[0].content"),
        (
            [
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "x", "input": ""}}],
                }
            ],
            "unsupported_parameter",
            "messages[0].tool_calls[0].type",
        ),
        ([file_part(file_id="file-1")], "unsupported_parameter", "messages[0].content[0].file.file_id"),
        ([file_part(filename="a.pdf")], "missing_required_parameter", "messages[0].content[0].file.file_data"),
        ([file_part(file_data="http://inside/a")], "invalid_value", "messages[0].content[0].file.file_data"),
        ([{"role": "tool", "content": "x"}], "missing_required_parameter", "messages[0].tool_call_id"),
        ([{"role": "tool", "content": "x", "tool_call_id": "a"}], "invalid_value", "messages[0].tool_call_id"),
        (HELLO * 2049, "invalid_value", "messages"),
        ([{"role": "assistant", "tool_calls": [CALL]}, *HELLO], "invalid_value", "messages[1].role"),
        ([*HELLO, {"role": "assistant", "tool_calls": [CALL]}], "invalid_value", "messages[1].role"),
    ],
)
def test_a_wrong_message_is_named(messages: Any, code: str, param: str) -> None:
    assert refused(messages=messages) == (code, param)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest", "http://0.0.0.0:6379", "http://[::1]/", "http://localhost/", "file:///etc/passwd",
        "http://db.internal/", "gopher://x", "http://", "http://[", "//example.com/a", "http://2852039166/",
        "http://0xa9fea9fe/", "http://0251.0376.0251.0376/", "http://169.254.43518/", "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/", "http://169.254.169.254./", "http://localhost./", "http://example.com@127.0.0.1/",
        "http://user:secret@example.com/a.png", "http://127.1/", "http://100.100.100.200/", "http://[fd00:ec2::254]/",
        "http://example.com:6379/", "http://metadata.google.internal/", "http://%31%36%39.254.169.254/",
    ],
)  # fmt: skip
def test_an_image_inside_is_refused(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}

    found = refused(messages=[{"role": "user", "content": [part]}])

    assert found == ("invalid_image_url", "messages[0].content[0].image_url.url")


def test_echoed_extras_are_left_out_and_named() -> None:
    call = {**CALL, "index": 0}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "hi", "annotations": []}]},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "hm", "refusal": None},
        {"role": "tool", "content": "x", "tool_call_id": "call_1"},
    ]

    completion = decode(messages=messages)

    assert completion.ignored == (
        "messages[].content[].annotations",
        "messages[].reasoning_content",
        "messages[].tool_calls[].index",
    )
    assert completion.messages[0]["content"] == [{"type": "text", "text": "hi"}]
    assert completion.messages[1] == {"role": "assistant", "content": None, "tool_calls": [CALL]}
