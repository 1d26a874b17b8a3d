"""Messages that come back from clients as the official SDK made them."""

import json
from typing import Any

from api.openai import schemas


def call(**function: Any) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": function}


def test_what_the_official_sdk_made_of_a_message_is_left_out_and_named() -> None:
    looked = {"name": "look", "arguments": "{}"}
    spoken = {"id": "audio_1", "data": "UklGRg==", "expires_at": 1, "transcript": "Hi"}
    messages = [
        {"role": "assistant", "content": "{}", "parsed": {}, "audio": spoken},
        {"role": "assistant", "content": None, "tool_calls": [call(**looked, parsed_arguments={"at": "sky"})]},
        {"role": "tool", "content": "x", "tool_call_id": "call_1"},
    ]

    completion = schemas.decode(json.dumps({"messages": messages}).encode())

    assert completion.ignored == (
        "messages[].audio.data",
        "messages[].audio.expires_at",
        "messages[].audio.transcript",
        "messages[].parsed",
        "messages[].tool_calls[].function.parsed_arguments",
    )
    assert completion.messages[0] == {"role": "assistant", "content": "{}", "audio": {"id": "audio_1"}}
    assert completion.messages[1]["tool_calls"] == [call(**looked)]
