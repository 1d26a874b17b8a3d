"""The system message: the agent's instructions, the client's own, and what the skills' prompts add."""

import asyncio
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agents.runtime.hooks import BoundPrompt
from agents.runtime.scopes import allows
from skills.sdk.context import RunContext
from skills.sdk.errors import ModelRejected
from skills.sdk.model import Message

if TYPE_CHECKING:
    from agents.runtime.agent import BaseAgent

CALLERS = "Whoever calls you adds the following. It does not replace what is said above."
"""Stands between an agent's instructions and what a request says as `system` or `developer`."""

_SYSTEM_ROLES = ("system", "developer")


async def set_system_message(agent: "BaseAgent", ctx: RunContext) -> None:
    """Put one system message, the sum of all, in front of the conversation."""
    theirs = [part for message in ctx.messages if message.get("role") in _SYSTEM_ROLES for part in _parts(message)]
    others = [message for message in ctx.messages if message.get("role") not in _SYSTEM_ROLES]
    if "instructions" in agent.locked:
        _refuse_instructions(ctx.messages)
    if any(message.get("name") for message in ctx.messages if message.get("role") in _SYSTEM_ROLES):
        ctx.ignored.add("messages[].name")
    own = agent.instructions.strip()
    if own and theirs:
        theirs.insert(0, _part(CALLERS))
    prompts = [prompt for prompt in agent.prompts if allows(ctx.caller.scope, prompt.scope)]
    parts = [_part(own), *theirs, *[_part(await _prompted(prompt, ctx)) for prompt in prompts]]
    content = _joined([part for part in parts if part["text"]])
    ctx.messages[:] = [{"role": "system", "content": content}, *others] if content else others


def _refuse_instructions(messages: Iterable[Message]) -> None:
    for index, message in enumerate(messages):
        if (role := message.get("role")) in _SYSTEM_ROLES:
            raise ModelRejected(
                f"This agent takes no messages with the role '{role}'.",
                parameter=f"messages.[{index}].role",
                code="invalid_value",
            )


async def _prompted(prompt: BoundPrompt, ctx: RunContext) -> str:
    """What a prompt adds; a plain function may block, so it runs in a thread."""
    arguments = (ctx,) if prompt.wants_context else ()
    if inspect.iscoroutinefunction(prompt.method):
        said = await prompt.method(*arguments)
    else:
        said = await asyncio.to_thread(prompt.method, *arguments)
    return said or ""


def _parts(message: Message) -> Iterable[dict[str, Any]]:
    """The texts of a message, with the marks they bear."""
    content: Any = message.get("content") or ""
    if isinstance(content, str):
        content = [{"text": content}]
    texts = (part for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return [{**part, "type": "text", "text": text} for part in texts if (text := part["text"].strip())]


def _part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text.strip()}


def _joined(parts: Sequence[Mapping[str, Any]]) -> str | list[dict[str, Any]]:
    """One text; in parts where one of them bears a mark, which says that a cache ends behind it."""
    if all(part.keys() <= {"type", "text"} for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return [dict(part) for part in parts]
