"""A skill with prices and a guard, for agents of tests."""

from skills.sdk import ModelReply, ReplyWithheld, RunContext, Skill, ToolFailed, hook, pricing, tool

BAD_WORD = "secret"


class StallSkill(Skill):
    """Sells apples, and does not let everything be said."""

    name = "stall"

    @pricing(credits_per_call="0.25", reason="an apple")
    @tool
    async def apple(self, *, is_rotten: bool = False) -> str:
        """Sell an apple."""
        if is_rotten:
            raise ToolFailed("It is rotten.")
        return "an apple"

    @hook("after_llm_call")
    async def guard(self, ctx: RunContext, reply: ModelReply) -> None:
        """Keep a word back."""
        if BAD_WORD in reply.text:
            raise ReplyWithheld("That is not for you to know.")
