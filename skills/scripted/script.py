"""What a script may say: rules, and the replies they hold."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from skills.sdk import (
    ModelFailed,
    ModelOverloaded,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnauthorized,
    ModelUnreachable,
)
from skills.sdk.usage import MOST_TOKENS, ServiceTier

ErrorKind = Literal["rejected", "unauthorized", "rate_limited", "overloaded", "unreachable", "timeout"]

_ERRORS: dict[ErrorKind, type[ModelFailed]] = {
    "rejected": ModelRejected,
    "unauthorized": ModelUnauthorized,
    "rate_limited": ModelRateLimited,
    "overloaded": ModelOverloaded,
    "unreachable": ModelUnreachable,
    "timeout": ModelTimeout,
}


TEXT_MAX = 1_000_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Call(_Frozen):
    """A tool to call. Text as arguments goes out as it is, so that it may be no JSON at all."""

    name: str = Field(max_length=64, description="The tool's name, offered or not.")
    arguments: dict[str, Any] | str = Field(default_factory=dict, description="What to call it with.")
    id: str = Field(default="", max_length=128, description="The call's id; made when empty.")


class ReportedUsage(_Frozen):
    """What the model claims to have used. Nobody is paid for more of it than was reserved for the call."""

    input_tokens: int = Field(ge=0, le=MOST_TOKENS, description="Tokens read.")
    output_tokens: int = Field(ge=0, le=MOST_TOKENS, description="Tokens written.")
    cached_input_tokens: int = Field(
        default=0, ge=0, le=MOST_TOKENS, description="Of the tokens read, those from a cache."
    )
    reasoning_tokens: int = Field(
        default=0, ge=0, le=MOST_TOKENS, description="Of the tokens written, those not shown."
    )
    search_requests: int = Field(default=0, ge=0, le=MOST_TOKENS, description="Searches of the web.")
    service_tier: ServiceTier = Field(default="", description="The speed it served at, if not the usual one.")


class Said(_Frozen):
    """One reply of the model."""

    text: str = Field(default="", max_length=TEXT_MAX, description="What it says.")
    reasoning: str = Field(default="", max_length=100_000, description="What it thinks before it speaks.")
    chunks: tuple[str, ...] = Field(default=(), description="The text in exactly these pieces, instead of `text`.")
    refusal: str = Field(default="", max_length=100_000, description="Words in which it refuses, instead of a text.")
    annotations: tuple[dict[str, Any], ...] = Field(default=(), description="Where it says that it knows this from.")
    audio: dict[str, Any] | None = Field(default=None, description="What it says, spoken.")
    calls: tuple[Call, ...] = Field(default=(), description="The tools it calls, all at once.")
    error: ErrorKind | None = Field(default=None, description="How it fails.")
    error_after: int = Field(default=0, ge=0, description="After how many chunks it fails.")
    retry_after_s: float | None = Field(default=None, ge=0, description="When the failure says to come back.")
    delay_ms: int = Field(default=0, ge=0, le=600_000, description="How long it thinks before its first chunk.")
    usage: ReportedUsage | None = Field(default=None, description="What it reports to have used, if not the truth.")
    no_usage: bool = Field(default=False, description="Whether it reports no usage at all.")
    finish_reason: Literal["stop", "length", "content_filter"] | None = Field(
        default=None, description="Why it says it stopped, if not for the obvious reason."
    )

    def failure(self) -> ModelFailed:
        """The error this reply fails with."""
        assert self.error is not None
        failure = _ERRORS[self.error](f"The script says: {self.error}.")
        failure.retry_after_s = self.retry_after_s
        return failure


class Rule(Said):
    """A reply to users who say a certain thing. Without `match` and `pattern` it answers everybody."""

    match: str = Field(default="", max_length=1000, description="What the user's last message contains, in any case.")
    pattern: str | None = Field(
        default=None,
        max_length=1000,
        description="The user's whole last message, in any case, where `*` stands for anything.",
    )
    then: tuple[Said, ...] = Field(default=(), description="What it says next, once its calls are answered.")

    def applies(self, words: str) -> bool:
        """Whether this is the rule for the user's words."""
        words = words.casefold()
        return self.match.casefold() in words and (self.pattern is None or _fits(self.pattern.casefold(), words))

    def reply(self, nth: int) -> Said | None:
        """The reply to the nth model call since the user spoke, or None when the script says nothing more."""
        said: tuple[Said | Self, ...] = (self, *self.then)
        return said[nth] if nth < len(said) else None


def _fits(pattern: str, words: str) -> bool:
    """Whether the words are the pattern's pieces in their order, with anything where a `*` stands between them.

    A look for each piece where the one before ended: no pattern, however it is written, takes long.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return words == pattern
    last = rest.pop()
    if len(words) < len(first) + len(last) or not (words.startswith(first) and words.endswith(last)):
        return False
    place, end = len(first), len(words) - len(last)
    for piece in rest:
        found = words.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True
