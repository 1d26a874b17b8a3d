"""A conversation of Chat Completions in the form of the Messages API."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from skills.anthropic.blocks import Block, blocks_of, mark_of, text_block, texts
from skills.anthropic.names import Names, sendable
from skills.sdk import Message

Thoughts: TypeAlias = Mapping[str, Sequence[Block]]
"""Thinking that came before calls, by the ids of those calls: it has to be sent back as it came."""

INSTRUCTING = frozenset(("system", "developer"))
BEGINNING = "(The conversation begins.)"
"""What the user is taken to have said where a conversation does not begin with the user."""


def system_of(messages: Sequence[Message]) -> list[Block]:
    """All instructions in order, wherever in the conversation they stand: the API keeps them apart from it."""
    return [
        block
        for message in messages
        if message.get("role") in INSTRUCTING
        for block in blocks_of(message.get("content"))
    ]


def turns_of(messages: Sequence[Message], *, names: Names, thoughts: Thoughts) -> list[Message]:
    """User and assistant by turns; what one side says in several messages stands in one, results of tools first."""
    turns: list[Message] = []
    for message in messages:
        if message.get("role") in INSTRUCTING:
            continue
        role, blocks = _turn(message, names, thoughts)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": [text_block(BEGINNING)]})
    last = turns[-1]
    if last["role"] == "assistant" and last["content"][-1]["type"] == "text":
        # What the model is to go on with may not end in a space.
        last["content"][-1] = {**last["content"][-1], "text": last["content"][-1]["text"].rstrip()}
    return turns


def has_all_thoughts(turns: Sequence[Message]) -> bool:
    """Whether the turn that the results of tools belong to still has its thinking, if there is such a turn."""
    for turn in reversed(turns):
        if turn["role"] == "user" and not any(block["type"] == "tool_result" for block in turn["content"]):
            return True
        if turn["role"] == "assistant" and any(block["type"] == "tool_use" for block in turn["content"]):
            return bool(turn["content"][0]["type"] in ("thinking", "redacted_thinking"))
    return True


def _turn(message: Message, names: Names, thoughts: Thoughts) -> tuple[str, list[Block]]:
    match message.get("role"):
        case "tool":
            return "user", [_result(message)]
        case "assistant":
            return "assistant", _said_and_called(message, names, thoughts)
        case _:
            return "user", blocks_of(message.get("content"))


def _result(message: Message) -> Block:
    blocks = blocks_of(message.get("content"))
    only_text = all(block["type"] == "text" and len(block) == 2 for block in blocks)
    content: Any = texts(blocks) if only_text else blocks
    return {
        "type": "tool_result",
        "tool_use_id": sendable(str(message.get("tool_call_id", ""))),
        "content": content,
        **mark_of(message),
    }


def _said_and_called(message: Message, names: Names, thoughts: Thoughts) -> list[Block]:
    calls = message.get("tool_calls") or ()
    blocks = blocks_of(message.get("content"))
    if message.get("refusal") and not blocks:
        blocks = blocks_of(message["refusal"])
    before = next((thoughts[call["id"]] for call in calls if call["id"] in thoughts), ())
    return [*before, *blocks, *(_call(call, names) for call in calls)]


def _call(call: Mapping[str, Any], names: Names) -> Block:
    function = call["function"]
    return {
        "type": "tool_use",
        "id": sendable(call["id"]),
        "name": names.sent(function["name"]),
        "input": _input(function.get("arguments") or "{}"),
    }


def _input(arguments: str) -> dict[str, Any]:
    """The arguments as an object; what the model wrote that is none is kept for it to see."""
    try:
        value = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        value = None
    return value if isinstance(value, dict) else {"malformed_arguments": arguments}
