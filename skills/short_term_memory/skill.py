"""What of a conversation reaches the model, and what of it is kept between requests."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Any

from pydantic import Field

from skills.sdk import Message, RunContext, RunOutcome, Skill, SkillError, ToolFailed, hook, tool

BYTES_PER_TOKEN = 4
_INSTRUCTING = ("system", "developer")


class ShortTermMemorySkill(Skill):
    """Keeps a conversation short enough for its model, and remembers the ones that have an id.

    A request with `X-Conversation-ID` need not repeat what was said before: it is put back. One that brings answers of
    the assistant along keeps its conversation itself.
    """

    name = "short_term_memory"

    class Options(Skill.Options):
        """How much of a conversation the model sees, and for how long one is kept."""

        max_messages: int = Field(default=50, ge=2, le=500, description="So many of the last messages at most.")
        max_tokens: int = Field(
            default=4_000, ge=200, le=32_000, description="So many tokens of them at most, four bytes to a token."
        )
        days: int = Field(
            default=30, ge=1, le=365, description="A conversation is forgotten so long after its last word."
        )

    options: Options

    @hook("on_connection", priority=15)
    async def put_back(self, ctx: RunContext) -> None:
        """Begin with what was said before, where the request does not say it itself."""
        if any(message.get("role") == "assistant" for message in ctx.messages):
            return
        try:
            earlier = await self._kept(ctx)
        except SkillError:
            return  # an answer that forgot is better than none
        ctx.messages[:] = [*_instructions(ctx.messages), *earlier, *_said(ctx.messages)]

    @hook("on_message", priority=20)
    async def shorten(self, ctx: RunContext) -> None:
        """Leave out the oldest messages, up to where a user speaks, so that no call of a tool loses its result."""
        ctx.messages[:] = [*_instructions(ctx.messages), *self._last(_said(ctx.messages))]

    @hook("finalize_connection", priority=80)
    async def keep(self, ctx: RunContext, outcome: RunOutcome) -> None:
        """Keep the texts of a conversation that has an id."""
        if outcome.error is not None or not ctx.caller.conversation_id:
            return
        texts = [text for message in ctx.messages if (text := _text_of(message))]
        kept = timedelta(days=self.options.days)
        await ctx.ports.storage.put(self._space(ctx), self._key(ctx), self._last(texts), lifetime=kept)

    @tool(idempotent=True, reads_private=True)
    async def get_recent_messages(
        self, ctx: RunContext, limit: Annotated[int, Field(ge=1, le=100)] = 10
    ) -> list[dict[str, Any]]:
        """Return what was said last in earlier requests of this conversation, the oldest first."""
        return list(await self._kept(ctx))[-limit:]

    @tool(idempotent=True)
    async def clear_conversation(self, ctx: RunContext) -> str:
        """Forget what was said in earlier requests of this conversation."""
        if not ctx.caller.conversation_id:
            raise ToolFailed("This conversation has no id, so nothing of it is kept.")
        await ctx.ports.storage.delete(self._space(ctx), self._key(ctx))
        return "Forgotten."

    @tool(idempotent=True, reads_private=True)
    async def get_conversation_stats(self, ctx: RunContext) -> dict[str, int]:
        """Return how many messages of this conversation are kept, and how many may be."""
        return {"messages": len(await self._kept(ctx)), "at_most": self.options.max_messages}

    async def _kept(self, ctx: RunContext) -> Sequence[Message]:
        if not ctx.caller.conversation_id:
            return []
        found = await ctx.ports.storage.get_many(self._space(ctx), [self._key(ctx)])
        return [dict(message) for message in found.get(self._key(ctx), [])]

    def _last(self, messages: Sequence[Message]) -> list[Message]:
        """As many of the last ones as may be, from a user's on; always the last that a user said, and what follows."""
        begins = [at for at, message in enumerate(messages) if message.get("role") == "user"]
        for at in begins[:-1]:
            rest = messages[at:]
            size_bytes = sum(len(str(message.get("content")).encode(errors="replace")) for message in rest)
            is_short = size_bytes <= self.options.max_tokens * BYTES_PER_TOKEN
            if is_short and len(rest) <= self.options.max_messages:
                return list(rest)
        return list(messages[begins[-1] :]) if begins else list(messages)

    def _space(self, ctx: RunContext) -> str:
        return ctx.caller.namespace(self.name)

    def _key(self, ctx: RunContext) -> str:
        return sha256(str(ctx.caller.conversation_id).encode(errors="replace")).hexdigest()


def _instructions(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message.get("role") in _INSTRUCTING]


def _said(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message.get("role") not in _INSTRUCTING]


def _text_of(message: Message) -> Message | None:
    """What was said, without pictures and tools."""
    role, content = message.get("role"), message.get("content")
    if role not in ("user", "assistant"):
        return None
    if isinstance(content, list):
        content = "\n".join(str(part["text"]) for part in content if part.get("type") == "text" and "text" in part)
    return {"role": role, "content": content} if content else None
