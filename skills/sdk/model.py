"""How the runtime speaks to a model: a request, a stream of chunks, and the usage they end with."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from skills.sdk.context import RunContext
from skills.sdk.embedding import EmbeddingRequest, Embeddings
from skills.sdk.errors import ModelRejected
from skills.sdk.ports import Credential
from skills.sdk.skill import Skill
from skills.sdk.usage import Usage

Message: TypeAlias = dict[str, Any]
"""A message in Chat Completions shape: role, content, and what the role adds."""

NOT_THE_USER = "[Not from the user: "
"""How a message begins that has the role of the user, and was written by us."""

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class ToolCallFragment(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a tool call; `id` and `name` come with its first piece, `arguments` are appended in order."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a model's reply. Empty fields say nothing new; `choice` is which of `n` replies it belongs to."""

    choice: int = 0
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCallFragment, ...] = ()
    logprobs: dict[str, Any] | None = None
    extras: dict[str, Any] | None = None
    """Further members of the reply's message, passed through as they came: annotations, audio."""
    about: dict[str, Any] | None = None
    """What the provider says of the reply as a whole: service_tier, system_fingerprint, moderation."""
    reply_id: str = ""
    """The provider's own name for the reply, on one chunk of it."""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    """Set once, on the last chunk of a call, when the provider reported it."""


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a model. `messages` and `tools` are in Chat Completions shape.

    `parameters` holds the request's other fields by their OpenAI names (temperature, response_format, tool_choice …),
    already checked against the allow-list, and those of other vendors that the skill says it takes.
    `max_output_tokens` is what is paid for; None means unlimited.
    """

    model: str
    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    parameters: Mapping[str, Any] = {}
    max_output_tokens: int | None = None


class ModelSkill(Skill):
    """A skill that an agent thinks with."""

    providers: ClassVar[frozenset[str]] = frozenset()
    """The `provider/` prefixes of model names that this skill serves."""

    def takes(self, name: str, *, model: str) -> bool:
        """Whether `provider/model` may be sent a field that OpenAI does not have, or a mark on messages and tools.

        Of `VENDORS` and `MARKS` in `skills.sdk.parameters`, requests hold what is taken; the rest is left out before,
        and the caller told. A skill that learns better later leaves the field out itself, and adds it to `ctx.ignored`.
        """
        return False

    def stream(self, ctx: RunContext, request: ModelRequest) -> AsyncIterator[Chunk]:
        """Yield the model's reply as it comes; raise a ModelFailed. Written as an async generator.

        `request.model` is `provider/model`. The last chunk of every choice says why it finished: a reply that just ends
        counts as broken off. Closing the iterator closes the connection to the provider. Retries happen only before the
        first chunk. A model that does not take `response_format` rejects that parameter, and is asked again in words.
        """
        raise NotImplementedError

    async def embed(self, ctx: RunContext, request: EmbeddingRequest) -> Embeddings:
        """One vector for each input; raise a ModelFailed. `request.model` is `provider/model`."""
        raise ModelRejected("Models of this provider make no embeddings.", parameter="model", code="model_not_found")

    async def credential(
        self, ctx: RunContext, provider: str, *, reference: str | None = None, base_url: str | None = None
    ) -> Credential:
        """The credential for a provider, noting for the run's books whose it is; nobody's when there is none."""
        books = ctx.data.setdefault(self.name, {})
        books["platform_credential"] = False
        found = await ctx.ports.secrets.credential(provider, reference=reference, base_url=base_url)
        books["platform_credential"] = found.platform
        return found

    def used_platform_credential(self, ctx: RunContext) -> bool:
        """Whether the run's latest model call was made with the platform's own credential."""
        return bool(ctx.data.get(self.name, {}).get("platform_credential", False))
