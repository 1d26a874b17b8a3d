"""Models of every provider that litellm knows."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from skills.litellm.arguments import check_credential, takes
from skills.litellm.client import Call, attempt
from skills.litellm.embeddings import EmbeddingCall, embedded
from skills.sdk import (
    Chunk,
    Credential,
    CredentialMissing,
    EmbeddingRequest,
    Embeddings,
    ModelRejected,
    ModelRequest,
    ModelSkill,
    NotAvailable,
    RunContext,
)
from skills.sdk.circuits import Route
from skills.sdk.provider_options import ProviderOptions
from skills.sdk.retries import retried
from skills.sdk.unpriced import check_unpriced


class LiteLLMSkill(ModelSkill):
    """Lets an agent think with a model of any provider, by the prefix of the model's name."""

    name = "litellm"

    class Options(ProviderOptions):
        """Whose key, and how patiently."""

    options: Options

    def takes(self, name: str, *, model: str) -> bool:
        """What is sent beyond OpenAI's fields depends on the provider."""
        return takes(name, provider=model.partition("/")[0])

    def stream(self, ctx: RunContext, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Yield the reply as it comes, trying again only while nothing has come."""
        return retried(partial(self._call, ctx, request), attempt, policy=self.options.retry_policy)

    async def embed(self, ctx: RunContext, request: EmbeddingRequest) -> Embeddings:
        """One vector for each input, trying again like `stream`."""
        answers = retried(partial(self._embedding_call, ctx, request), embedded, policy=self.options.retry_policy)
        async with aclosing(answers):
            return [answer async for answer in answers][-1]

    async def _call(self, ctx: RunContext, request: ModelRequest) -> Call:
        provider, model, credential = await self._reached(ctx, request.model)
        check_unpriced(ctx, request, platform_credential=credential.platform)
        return Call(
            route=_route(ctx, credential, provider),
            request=request,
            provider=provider,
            model=model,
            credential=credential,
            connect_s=self.options.connect_timeout_s,
            first_byte_s=self.options.first_byte_timeout_s,
            idle_s=self.options.idle_timeout_s,
            total_s=self.options.total_timeout_s,
            ignored=ctx.ignored,
        )

    async def _embedding_call(self, ctx: RunContext, request: EmbeddingRequest) -> EmbeddingCall:
        provider, model, credential = await self._reached(ctx, request.model)
        return EmbeddingCall(
            route=_route(ctx, credential, provider),
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
            raise CredentialMissing(
                f"There is no credential for {provider}. The agent's owner has to store one, or choose another model."
            ) from None


def _route(ctx: RunContext, credential: Credential, provider: str) -> Route:
    own = credential.base_url if credential.platform else None
    return Route.of(ctx, credential, address=own or provider)
