"""Rules for what an agent is told and what it says."""

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import Field, field_validator

from skills.guardrails.rules import LONGEST, PRIVATE_KEY, Kind, Match, Rules, is_phrase, redacted
from skills.sdk import Chunk, Message, ReplyWithheld, RunContext, Skill, hook

logger = logging.getLogger(__name__)

Action = Literal["off", "flag", "redact", "block"]
_TEXTS: Final = ("text", "reasoning", "refusal")


class GuardrailsSkill(Skill):
    """Keeps personal data, secrets and phrases of the owner's choice out of what an agent reads and says."""

    name = "guardrails"

    class Options(Skill.Options):
        """What to look for, and what to do about it."""

        kinds: tuple[Kind, ...] = Field(
            default=("card", "iban", "secret"),
            max_length=7,
            description="What to look for: email, phone, iban, card, ip, secret.",
        )
        phrases: tuple[Annotated[str, Field(max_length=120)], ...] = Field(
            default=(), max_length=50, description="Phrases to look for, one a line; * stands for letters and digits."
        )
        said_to: Action = Field(
            default="off", description="What to do where users say such a thing: off, flag, redact or block."
        )
        said_by: Action = Field(
            default="redact", description="What to do where the agent says such a thing: off, flag, redact or block."
        )
        words: str = Field(
            default="This cannot be answered: it contains something that may not be said here.",
            min_length=1,
            max_length=500,
            description="What a caller is told of a message or an answer that is blocked.",
        )

        @field_validator("phrases")
        @classmethod
        def _lookable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
            for phrase in value:
                if not is_phrase(phrase):
                    raise ValueError(f"{phrase!r} cannot be looked for: it needs letters, and two * at most")
            return value

    options: Options

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._rules = Rules(self.options.kinds, self.options.phrases)

    @hook("on_message", priority=5)
    async def hear(self, ctx: RunContext) -> None:
        """Look at what users say, before anything else does."""
        if self.options.said_to != "off":
            ctx.messages[:] = [self._heard(ctx, message) for message in ctx.messages]

    @hook("on_chunk", priority=90)
    async def speak(self, ctx: RunContext, chunk: Chunk) -> Chunk | None:
        """Look at what the agent says, piece by piece: the end is held back until it is known to be harmless."""
        if self.options.said_by == "off":
            return None
        held: dict[str, str] = ctx.data.setdefault(self.name, {})
        is_last = chunk.finish_reason is not None
        said: dict[str, Any] = {"logprobs": None} if chunk.logprobs else {}  # they spell the text once more
        for field in _TEXTS:
            place = f"{chunk.choice} {field}"
            text = held.pop(place, "") + getattr(chunk, field)
            if text:
                said[field], rest = self._said(ctx, text, is_last=is_last)
                if rest:
                    held[place] = rest
        return msgspec.structs.replace(chunk, **said) if said else None

    def _said(self, ctx: RunContext, text: str, *, is_last: bool) -> tuple[str, str]:
        """What may be said now, and what is held back."""
        if PRIVATE_KEY.search(text):
            self._act(ctx, "block", ["secret"])
        found = self._rules.find(text)
        until = len(text) if is_last else _harmless(text, found)
        certain = [match for match in found if match.end <= until]
        if certain:
            self._act(ctx, self.options.said_by, [match.kind for match in certain])
        kept = text[:until]
        return (redacted(kept, certain) if self.options.said_by == "redact" else kept), text[until:]

    def _heard(self, ctx: RunContext, message: Message) -> Message:
        content = message.get("content")
        if message.get("role") != "user" or not content:
            return message
        if isinstance(content, str):
            return {**message, "content": self._checked(ctx, content)}
        return {**message, "content": [self._part(ctx, part) for part in content]}

    def _part(self, ctx: RunContext, part: Mapping[str, Any]) -> Mapping[str, Any]:
        text = part.get("text")
        return {**part, "text": self._checked(ctx, text)} if part.get("type") == "text" and text else part

    def _checked(self, ctx: RunContext, text: str) -> str:
        found = self._rules.find(text)
        if not found:
            return text
        self._act(ctx, self.options.said_to, [match.kind for match in found])
        return redacted(text, found) if self.options.said_to == "redact" else text

    def _act(self, ctx: RunContext, action: Action, kinds: Sequence[str]) -> None:
        """Note what was found, never its words; raise ReplyWithheld for what is blocked."""
        logger.info("Guardrails of %s: %s (%s) in run %s.", ctx.agent_name, action, ", ".join(kinds), ctx.run_id)
        if action == "block":
            raise ReplyWithheld(self.options.words)


def _harmless(text: str, found: Sequence[Match]) -> int:
    """Up to where no match can begin any more that is not seen whole, and none is cut."""
    until = max(0, len(text) - LONGEST)
    space = max(text.rfind(" ", 0, until), text.rfind("\n", 0, until)) + 1
    until = space or until
    for match in found:
        if match.start < until < match.end:
            return match.start
    return until
