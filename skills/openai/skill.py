"""Any server that speaks OpenAI's Chat Completions, straight over HTTP."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Literal

from yarl import URL

from skills.openai.body import body_of, choices_of
from skills.openai.client import Call, attempt, embedded
from skills.openai.embeddings import embedding_body
from skills.sdk import (
    Chunk,
    Credential,
    EmbeddingRequest,
    Embeddings,
    ModelRequest,
    ModelSkill,
    RunContext,
)
from skills.sdk.circuits import Route
from skills.sdk.parameters import VENDORS
from skills.sdk.retries import retried
from skills.sdk.servers import ServerOptions, reached
from skills.sdk.unpriced import check_unpriced

OPENAI = "https://api.openai.com/v1"


class OpenAISkill(ModelSkill):
    """Lets an agent think with a model of OpenAI, or of any server that speaks its language."""

    name = "openai"
    providers = frozenset(("openai",))

    class Options(ServerOptions):
        """Which server, with whose key, and how patiently."""

        output_limit_field: Literal["auto", "max_tokens", "max_completion_tokens"] = "auto"
        """What the server calls the limit of tokens; OpenAI: max_completion_tokens, most others: max_tokens."""

    options: Options

    def takes(self, name: str, *, model: str) -> bool:
        """Servers of this kind are many; OpenAI's own knows no fields but its own."""
        return name == "prompt_cache_breakpoint" or (name in VENDORS and self.options.base_url != OPENAI)

    def stream(self, ctx: RunContext, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Yield the reply as it comes, trying again only while nothing has come."""
        return retried(partial(self._call, ctx, request), attempt, policy=self.options.retry_policy)

    async def embed(self, ctx: RunContext, request: EmbeddingRequest) -> Embeddings:
        """One vector for each input, trying again like `stream`."""
        answers = retried(partial(self._embedding_call, ctx, request), embedded, policy=self.options.retry_policy)
        async with aclosing(answers):
            return [answer async for answer in answers][-1]

    async def _call(self, ctx: RunContext, request: ModelRequest) -> Call:
        base_url, credential = await self._server(ctx)
        check_unpriced(ctx, request, platform_credential=self.used_platform_credential(ctx))
        at_openai = URL(base_url).host == URL(OPENAI).host
        field = self.options.output_limit_field
        if field == "auto":
            field = "max_completion_tokens" if at_openai else "max_tokens"
        if at_openai:
            ctx.ignored.update(VENDORS & request.parameters.keys())
        body = body_of(request, model=self._name(request.model), limit_field=field, openai_itself=at_openai)
        return self._sent(ctx, base_url, "/chat/completions", body, credential, choices_of(request))

    async def _embedding_call(self, ctx: RunContext, request: EmbeddingRequest) -> Call:
        base_url, credential = await self._server(ctx)
        body = embedding_body(request, model=self._name(request.model))
        return self._sent(ctx, base_url, "/embeddings", body, credential)

    async def _server(self, ctx: RunContext) -> tuple[str, Credential | None]:
        return await reached(self, ctx, self.options, provider="openai", at=OPENAI)

    def _name(self, model: str) -> str:
        """What the server calls the model."""
        provider, _, name = model.partition("/")
        return name if provider in self.providers and name else model

    def _sent(
        self, ctx: RunContext, base_url: str, path: str, body: bytes, credential: Credential | None, choices: int = 1
    ) -> Call:
        options = self.options
        return Call(
            route=Route.of(ctx, credential, address=base_url),
            url=f"{base_url}{path}",
            body=body,
            headers={"Idempotency-Key": uuid.uuid4().hex},
            secret=credential.secret if credential else None,
            choices=choices,
            connect_s=options.connect_timeout_s,
            first_byte_s=options.first_byte_timeout_s,
            idle_s=options.idle_timeout_s,
            total_s=options.total_timeout_s,
        )
