"""Other agents, asked in plain words and paid with a part of what the run may spend."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Annotated, Any, cast

from pydantic import Field

from skills.sdk import CallEnded, CredentialReference, RunContext, Skill, ToolFailed, ToolRetry, tool
from skills.sdk.specs import NANOS_PER_CREDIT

MOST_DOLLARS = Decimal("5.00")
MOST_ANSWER_CHARACTERS = 200_000
_PAUSE_S = 0.2

Dollars = Annotated[Decimal, Field(ge=0, le=MOST_DOLLARS, decimal_places=9)]
Written = Annotated[str, Field(pattern=r"^(5(\.0{1,9})?|[0-4](\.[0-9]{1,9})?)$")]
"""Dollars as an owner writes them: exact."""


class NliSkill(Skill):
    """Lets an agent ask other agents, here or at a URL, for a capped amount."""

    name = "nli"

    class Options(Skill.Options):
        """What asking others may cost, and how long it may take."""

        authorized_usd: Written = Field(
            default="0.10",
            description="What a call may cost at most where the model does not say, in dollars.",
        )
        most_usd: Written = Field(
            default="5.00", description="What the model may authorize for one call at most, in dollars."
        )
        timeout_s: float = Field(default=60, ge=1, le=300, description="How long an answer may take.")
        retries: int = Field(default=2, ge=0, le=5, description="How often a call that failed is made again.")
        agents: tuple[str, ...] = Field(
            default=("*",), max_length=100, description="Addresses that may be called; * for all, none for nobody."
        )
        may_hire: tuple[str, ...] = Field(
            default=(), max_length=20, description="Agents that those who are called may pay from what they are given."
        )
        credential: CredentialReference | None = Field(
            default=None, description="The credential for agents at a URL; it is stored with that very address."
        )

    options: Options

    @tool(ingests_untrusted=True, egress=True, timeout_s=900)
    async def nli_tool(
        self, ctx: RunContext, agent: str, message: str, authorized_amount: Dollars | None = None
    ) -> dict[str, Any]:
        """Ask another agent something in plain words, and pay for its answer.

        Args:
            agent: Its address: `slug`, `organization/slug`, or the https URL of an OpenAI-compatible API.
            message: What it is asked, with all that it has to know.
            authorized_amount: What this may cost at most, in dollars.
        """
        amount = Decimal(self.options.authorized_usd) if authorized_amount is None else authorized_amount
        if amount > Decimal(self.options.most_usd):
            raise ToolRetry(f"A call may cost {self.options.most_usd} dollars at most.")
        if "*" not in self.options.agents and agent not in self.options.agents:
            known = ", ".join(self.options.agents) or "none"
            raise ToolRetry(f"You may not call {agent[:200]!r}. Agents that you may call: {known}.")
        messages = [{"role": "user", "content": message}]
        try:
            async with asyncio.timeout(self.options.timeout_s):
                if "://" in agent:
                    return await self._remote(ctx, agent, messages)
                return await self._local(ctx, agent, messages, int(amount * NANOS_PER_CREDIT))
        except TimeoutError:
            raise ToolFailed(f"{agent[:200]} did not answer within {self.options.timeout_s:g} seconds.") from None

    async def _local(
        self, ctx: RunContext, agent: str, messages: list[dict[str, str]], cap_nanos: int
    ) -> dict[str, Any]:
        said: list[str] = []
        ended: CallEnded | None = None
        call = ctx.ports.agents.call(agent, messages, cap_nanos=cap_nanos, may_hire=self.options.may_hire)
        async with aclosing(cast(AsyncGenerator[str | CallEnded], call)) as pieces:
            async for piece in pieces:
                if isinstance(piece, CallEnded):
                    ended = piece
                else:
                    said.append(piece)
        assert ended is not None
        return {
            "agent": agent,
            "answer": "".join(said)[:MOST_ANSWER_CHARACTERS],
            "finish_reason": ended.finish_reason,
            "charged_usd": str(Decimal(ended.charged_nanos) / NANOS_PER_CREDIT),
            "run": ended.run_id,
        }

    async def _remote(self, ctx: RunContext, url: str, messages: list[dict[str, str]]) -> dict[str, Any]:
        base, _, model = url.partition("#")
        headers = {"Content-Type": "application/json"}
        if self.options.credential is not None:
            opened = await ctx.ports.secrets.credential("openai", reference=self.options.credential, base_url=base)
            headers["Authorization"] = f"Bearer {opened.secret.reveal()}"
        body = json.dumps({"model": model or "default", "messages": messages}).encode()
        status, answer = await self._posted(ctx, f"{base.rstrip('/')}/chat/completions", headers, body)
        if status != 200:
            raise ToolFailed(f"The agent at {base} answered with status {status}.")
        return {"agent": url, "answer": _answer_in(answer)[:MOST_ANSWER_CHARACTERS]}

    async def _posted(self, ctx: RunContext, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """What is answered, asked again while it is the other side's failure."""
        for attempt in range(self.options.retries):
            status, _, answer = await ctx.ports.http.request("POST", url, headers=headers, body=body)
            if status < 500:
                return status, answer
            await asyncio.sleep(_PAUSE_S * 2**attempt)
        status, _, answer = await ctx.ports.http.request("POST", url, headers=headers, body=body)
        return status, answer


def _answer_in(body: bytes) -> str:
    """The text of a completion. Raises ToolFailed for what is none."""
    try:
        told = json.loads(body)
        text = told["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        text = None
    if not isinstance(text, str):
        raise ToolFailed("The agent's answer is no completion.")
    return text
