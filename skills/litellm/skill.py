"""Models of every provider that litellm knows."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from pydantic import Field

from skills.litellm.arguments import check_credential, takes
from skills.litellm.client import Call, attempt
from skills.litellm.embeddings import EmbeddingCall, embedded
from skills.sdk import (
    Chunk,
    Credential,
    CredentialReference,
    EmbeddingRequest,
    Embeddings,
    ModelRejected,
    ModelRequest,
    ModelSkill,
    ModelUnauthorized,
    NotAvailable,
    RunContext,
    Skill,
)
from skills.sdk.retries import retried


class LiteLLMSkill(ModelSkill):
    """Lets an agent think with a model of any provider, by the prefix of the model's name."""

    name = "litellm"

    class Options(Skill.Options):
        """Whose key, and how patiently."""

        credential: CredentialReference | None = None
        """Which of the organization's keys to use; without one, its own for the provider, else the platform's."""
        retries: int = Field(default=2, ge=0, le=5)
        """How often to try again before the first piece of the reply has come."""
        connect_timeout_s: float = Field(default=3.0, ge=0.1, le=10)
        """Seconds to reach the provider."""
        first_byte_timeout_s: float = Field(default=60.0, ge=0.1, le=300)
        """Seconds until the reply begins."""
        idle_timeout_s: float = Field(default=30.0, ge=0.1, le=300)
        """Seconds of silence within the reply."""

    options: Options

    def takes(self, name: str, *, model: str) -> bool:
        """What is sent beyond OpenAI's fields depends on the provider."""
        return takes(name, provider=model.partition("/")[0])

    def stream(self, ctx: RunContext, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Yield the reply as it comes, trying again only while nothing has come."""
        return retried(partial(self._call, ctx, request), attempt, retries=self.options.retries)

    async def embed(self, ctx: RunContext, request: EmbeddingRequest) -> Embeddings:
        """One vector for each input, trying again like `stream`."""
        answers = retried(partial(self._embedding_call, ctx, request), embedded, retries=self.options.retries)
        async with aclosing(answers):
            return await anext(answers)

    async def _call(self, ctx: RunContext, request: ModelRequest) -> Call:
        provider, model, credential = await self._reached(ctx, request.model)
        return Call(
            request=request,
            provider=provider,
            model=model,
            credential=credential,
            connect_s=self.options.connect_timeout_s,
            first_byte_s=self.options.first_byte_timeout_s,
            idle_s=self.options.idle_timeout_s,
        )

    async def _embedding_call(self, ctx: RunContext, request: EmbeddingRequest) -> EmbeddingCall:
        provider, model, credential = await self._reached(ctx, request.model)
        return EmbeddingCall(
            request=request,
            provider=provider,
            model=model,
            credential=credential,
            seconds=self.options.first_byte_timeout_s,
        )

    async def _reached(self, ctx: RunContext, name: str) -> tuple[str, str, Credential]:
        """The provider, what it calls the model, and the key it is reached with."""
        provider, _, model = name.partition("/")
        if not model:
            raise ModelRejected("A model is named as provider/model.", parameter="model")
        credential = await self._stored(ctx, provider)
        check_credential(credential, provider=provider)
        return provider, model, credential

    async def _stored(self, ctx: RunContext, provider: str) -> Credential:
        try:
            return await self.credential(ctx, provider, reference=self.options.credential)
        except NotAvailable:
            raise ModelUnauthorized(
                f"There is no credential for {provider}. The agent's owner has to store one, or choose another model."
            ) from None
