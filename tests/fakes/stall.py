"""A skill with prices and a guard, for agents of tests."""

from decimal import Decimal
from typing import Any

from skills.sdk import ModelReply, ReplyWithheld, RunContext, Skill, ToolFailed, ToolOutcome, hook, pricing, tool

BAD_WORD = "secret"


class StallSkill(Skill):
    """Sells apples, and does not let everything be said."""

    name = "stall"

    class Options(Skill.Options):
        """How it keeps its till."""

        tells_twice: bool = False

    options: Options

    @pricing(credits_per_call="0.25", reason="an apple")
    @tool
    async def apple(self, *, is_rotten: bool = False) -> str:
        """Sell an apple."""
        if is_rotten:
            raise ToolFailed("It is rotten.")
        return "an apple"

    @hook("after_toolcall")
    async def tell_again(self, ctx: RunContext, outcome: ToolOutcome) -> None:
        """Say once more that it was sold."""
        if self.options.tells_twice:
            again: dict[str, Any] = {"tool": outcome.call.name, "credits": Decimal("0.25"), "reason": "the same apple"}
            ctx.ports.meter.charge_tool(call_id=outcome.call.id, **again)

    @hook("after_llm_call")
    async def guard(self, ctx: RunContext, reply: ModelReply) -> None:
        """Keep a word back."""
        if BAD_WORD in reply.text:
            raise ReplyWithheld("That is not for you to know.")
