"""The system message: the agent's instructions, the client's own, and what the skills' prompts add."""

import asyncio
import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from agents.runtime.hooks import BoundPrompt
from agents.runtime.scopes import allows
from skills.sdk.context import RunContext
from skills.sdk.model import Message

if TYPE_CHECKING:
    from agents.runtime.agent import BaseAgent

_SYSTEM_ROLES = ("system", "developer")


async def set_system_message(agent: "BaseAgent", ctx: RunContext) -> None:
    """Put one system message, the sum of all, in front of the conversation."""
    parts = [agent.instructions]
    parts.extend(_text(message) for message in ctx.messages if message.get("role") in _SYSTEM_ROLES)
    parts.extend([await _prompted(prompt, ctx) for prompt in agent.prompts if allows(ctx.caller.scope, prompt.scope)])
    others = [message for message in ctx.messages if message.get("role") not in _SYSTEM_ROLES]
    text = "\n\n".join(part.strip() for part in parts if part.strip())
    ctx.messages[:] = [{"role": "system", "content": text}, *others] if text else others


async def _prompted(prompt: BoundPrompt, ctx: RunContext) -> str:
    """What a prompt adds; a plain function may block, so it runs in a thread."""
    arguments = (ctx,) if prompt.wants_context else ()
    if inspect.iscoroutinefunction(prompt.method):
        said = await prompt.method(*arguments)
    else:
        said = await asyncio.to_thread(prompt.method, *arguments)
    return said or ""


def _text(message: Message) -> str:
    content: Any = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(_part_texts(content))


def _part_texts(parts: Iterable[Any]) -> Iterable[str]:
    return (part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
