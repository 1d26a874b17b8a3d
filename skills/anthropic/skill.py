"""Models of Anthropic, and of every server that speaks its Messages API."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

from pydantic import Field

from skills.anthropic.body import Lifetime, Style, body_of
from skills.anthropic.names import Names
from skills.anthropic.schemas import schema_asked
from skills.anthropic.thinking import LEAST_BUDGET, Mode
from skills.anthropic.wire import Reply
from skills.sdk import Chunk, ModelRequest, ModelSkill, RunContext, streaming
from skills.sdk.circuits import Route
from skills.sdk.retries import retried
from skills.sdk.servers import ServerOptions, reached
from skills.sdk.unpriced import check_unpriced

ANTHROPIC = "https://api.anthropic.com/v1"
VERSION = "2023-06-01"
TAKEN = frozenset(("cache_control", "thinking", "top_k"))
"""What these models know besides OpenAI's fields."""


class Call(streaming.Call, frozen=True, kw_only=True):
    """A request, and what is needed to read its reply."""

    names: Names
    thoughts: dict[str, Any]
    """Where to keep what was thought before calls, by the ids of those; it belongs to the run."""


class AnthropicSkill(ModelSkill):
    """Lets an agent think with a model of Anthropic, straight over its own API."""

    name = "anthropic"
    providers = frozenset(("anthropic",))

    class Options(ServerOptions):
        """Which server, with whose key, how patiently, and how the model thinks."""

        thinking: Mode = "auto"
        """auto: when a request asks for it; adaptive: as the model sees fit; budget: with the budget; off: never."""
        thinking_budget_tokens: int = Field(default=4_096, ge=LEAST_BUDGET, le=200_000)
        """What may be thought with `budget` at most; it is part of what a reply may have in all."""
        cache: Lifetime = "off"
        """How long the provider keeps the agent's tools and instructions, which makes later calls cheaper."""

    options: Options

    def takes(self, name: str, *, model: str) -> bool:
        """Thinking, sampling from the likeliest, and marks for the cache."""
        return name in TAKEN

    def stream(self, ctx: RunContext, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Yield the reply as it comes, trying again only while nothing has come."""
        return retried(partial(self._call, ctx, request), _attempt, policy=self.options.retry_policy)

    async def _call(self, ctx: RunContext, request: ModelRequest) -> Call:
        options = self.options
        base_url, credential = await reached(self, ctx, options, provider="anthropic", at=ANTHROPIC)
        check_unpriced(ctx, request, platform_credential=self.used_platform_credential(ctx))
        names = Names(tool["function"]["name"] for tool in request.tools)
        thoughts = ctx.data.setdefault(self.name, {}).setdefault("thoughts", {})
        body = body_of(
            ctx,
            request,
            model=request.model.partition("/")[2],
            names=names,
            thoughts=thoughts,
            style=Style(
                thinking=options.thinking,
                thinking_budget_tokens=options.thinking_budget_tokens,
                cache=options.cache,
            ),
            schema=await schema_asked(request.parameters),
        )
        return Call(
            route=Route.of(ctx, credential, address=base_url),
            url=f"{base_url}/messages",
            body=body,
            headers={"anthropic-version": VERSION},
            secret=credential.secret if credential else None,
            key_header="x-api-key",
            names=names,
            thoughts=thoughts,
            connect_s=options.connect_timeout_s,
            first_byte_s=options.first_byte_timeout_s,
            idle_s=options.idle_timeout_s,
            total_s=options.total_timeout_s,
        )


async def _attempt(call: Call) -> AsyncGenerator[Chunk]:
    """Send the request and yield the reply as it comes; what was thought before calls is kept for the next turn."""
    reply = Reply(names=call.names)
    async with aclosing(streaming.streamed(call, reply)) as chunks:
        async for chunk in chunks:
            yield chunk
    if reply.thoughts:
        call.thoughts.update(dict.fromkeys(reply.call_ids, reply.thoughts))
