"""Puts messages into a form that every server of this kind accepts."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from skills.sdk import Message
from skills.sdk.model import NOT_THE_USER

SHOWN = frozenset(("image_url", "input_audio", "file"))
"""Parts that a user may show a model, and a tool may not."""


def sendable(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages with nothing but text in tool results: what else those hold is shown in a user message after them.

    All results of one turn have to stand together, so it comes after the last of them.
    """
    if not any(message.get("role") == "tool" and isinstance(message.get("content"), list) for message in messages):
        return messages
    sent: list[Message] = []
    shown: list[dict[str, Any]] = []
    for message in messages:
        if message.get("role") != "tool":
            _show(sent, shown)
            shown = []
        elif isinstance(message.get("content"), list):
            message, parts = _parted(message)
            shown += parts
        sent.append(message)
    _show(sent, shown)
    return sent


def _parted(result: Message) -> tuple[Message, list[dict[str, Any]]]:
    """A tool's result as text, and what has to be shown besides."""
    parts = [part for part in result["content"] if isinstance(part, Mapping)]
    shown = [dict(part) for part in parts if part.get("type") in SHOWN]
    texts = [_text(part) for part in parts if part.get("type") not in SHOWN]
    if not shown:
        return result | {"content": "\n".join(texts)}, []
    call = result.get("tool_call_id", "")
    texts.append(f"[{len(shown)} of this result's parts are shown in the next user message]")
    title = {"type": "text", "text": f"{NOT_THE_USER}parts of the result of the tool call {call}]"}
    return result | {"content": "\n".join(texts)}, [title, *shown]


def _text(part: Mapping[str, Any]) -> str:
    text = part.get("text")
    return text if isinstance(text, str) else msgspec.json.encode(part).decode()


def _show(sent: list[Message], shown: list[dict[str, Any]]) -> None:
    if shown:
        sent.append({"role": "user", "content": shown})
