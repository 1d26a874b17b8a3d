"""What a model call used, in the provider's units."""

from typing import Literal

import msgspec

UsageSource = Literal["provider", "counted", "estimated"]
ServiceTier = Literal["", "batch", "flex", "priority"]
"""How fast the provider says that it served a call, where that has a price of its own."""


MOST_TOKENS = 10_000_000
"""Nobody uses more in one call; whoever says so is mistaken."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one or more model calls used. Details are part of their totals: cached and written input, sound and images
    of `input_tokens`, reasoning, sound and images of `output_tokens`, what is kept for an hour of `cache_write_tokens`.

    What providers bill beside tokens has counts of its own, from `citation_tokens` to `pages`; seconds are rounded up.
    `source` says who counted: the provider; we, over everything that was generated; or nobody, an upper bound.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0
    citation_tokens: int = 0
    search_requests: int = 0
    input_images: int = 0
    output_images: int = 0
    input_pixels: int = 0
    output_pixels: int = 0
    input_seconds: int = 0
    output_seconds: int = 0
    input_characters: int = 0
    output_characters: int = 0
    pages: int = 0
    service_tier: ServiceTier = ""
    source: UsageSource = "provider"

    def __add__(self, other: "Usage") -> "Usage":
        """Sum the counts; the sum is only as trustworthy as its weaker part, and has a tier only where both agree."""
        trust: tuple[UsageSource, ...] = ("provider", "counted", "estimated")
        return Usage(
            **{name: getattr(self, name) + getattr(other, name) for name in COUNTS},
            service_tier=self.service_tier if self.service_tier == other.service_tier else "",
            source=max(self.source, other.source, key=trust.index),
        )

    def is_possible(self) -> bool:
        """Whether every count is one: whole, not negative, and no more than anybody uses in a call."""
        counts = (getattr(self, name) for name in COUNTS)
        return all(type(count) is int and 0 <= count <= MOST_TOKENS for count in counts)


COUNTS = tuple(name for name in Usage.__struct_fields__ if name not in ("service_tier", "source"))


def counted(*, input_bytes: int, output_bytes: int) -> Usage:
    """The usage of a call whose provider does not say: four bytes to a token."""
    return Usage(input_tokens=-(-input_bytes // 4), output_tokens=-(-output_bytes // 4), source="counted")


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The usage of one model call and who is to be paid for it.

    `model` is `provider/model`; `platform_credential` whether the platform's own key paid the provider;
    `agent_id` whose agent made the call (a handoff has several).
    """

    model: str
    usage: Usage
    platform_credential: bool
    agent_id: str
    delivered: bool = True
    """False for an attempt that failed before its first chunk: recorded, never charged."""
    reply_id: str = ""
    """The provider's own name for the reply, for whoever asks the provider. Nothing is decided by it."""
