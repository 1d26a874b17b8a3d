"""What skills that remember have in common: each keeps one kind of memory; none tells what another has told already."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from skills.sdk.context import RunContext
from skills.sdk.errors import SkillError
from skills.sdk.ports import Remembered
from skills.sdk.skill import Skill

_SHOWN = "remembering"
FROM_OUTSIDE = "from_outside"
"""In the metadata of what was kept by a run that had read what others wrote."""


class RememberingSkill(Skill):
    """A skill whose memories are of one `kind`, kept for one end user of one agent."""

    kind: ClassVar[str] = ""

    async def fitting(self, ctx: RunContext, *, limit: int, min_similarity: float) -> Sequence[Remembered]:
        """Memories that fit what the user said last; none for a caller of whom nothing is remembered."""
        said = last_said(ctx)
        if not limit or not said or not ctx.caller.end_user:
            return []
        try:
            return await ctx.ports.memory.search(kind=self.kind, query=said, limit=limit, min_similarity=min_similarity)
        except SkillError:
            return []  # an answer without memories is better than none

    async def keep(self, ctx: RunContext, text: str, *, at_most: int, metadata: Mapping[str, Any] = {}) -> str:
        """Keep a memory. What a run keeps that has read strangers' words may be theirs, and stays marked as that."""
        marked = {**metadata, FROM_OUTSIDE: True} if ctx.seen.untrusted else metadata
        return await ctx.ports.memory.save(kind=self.kind, text=text, metadata=marked, at_most=at_most)

    def read(self, ctx: RunContext, found: Sequence[Remembered]) -> None:
        """The run reads these: they are the user's own, and some may be a stranger's word."""
        from_outside = any(memory.metadata.get(FROM_OUTSIDE) for memory in found)
        ctx.seen.note(self.name, private=bool(found), untrusted=from_outside)

    def told(self, ctx: RunContext, found: Sequence[Remembered], *, heading: str) -> str:
        """The memories as the system message has them, without those that another skill has told in this run."""
        shown: dict[str, bool] = ctx.data.setdefault(_SHOWN, {})
        new = [memory for memory in found if memory.text not in shown]
        shown.update((memory.text, True) for memory in new)
        self.read(ctx, new)
        return "\n".join((heading, *(f"- {line(memory)}" for memory in new))) if new else ""


def line(memory: Remembered) -> str:
    """A memory on one line, with the day on which it was kept."""
    return f"{' '.join(memory.text.split())} ({memory.created_at:%Y-%m-%d})"


def last_said(ctx: RunContext) -> str:
    """The text of the user's last message."""
    for message in reversed(ctx.messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            parts = content if isinstance(content, list) else []
            return "\n".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    return ""
