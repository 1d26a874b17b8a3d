"""What a model call used, in the provider's units."""

from typing import Literal

import msgspec

UsageSource = Literal["provider", "counted", "estimated"]


MOST_TOKENS = 10_000_000
"""Nobody uses more in one call; whoever says so is mistaken."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one or more model calls. Details are part of their totals: cached and written input, sound and images
    of `input_tokens`, reasoning, sound and images of `output_tokens`, what is kept for an hour of `cache_write_tokens`.

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
    source: UsageSource = "provider"

    def __add__(self, other: "Usage") -> "Usage":
        """Sum the counts; the sum is only as trustworthy as its weaker part."""
        trust: tuple[UsageSource, ...] = ("provider", "counted", "estimated")
        return Usage(
            **{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__ if name != "source"},
            source=max(self.source, other.source, key=trust.index),
        )

    def is_possible(self) -> bool:
        """Whether every count is one: whole, not negative, and no more than anybody uses in a call."""
        counts = (getattr(self, name) for name in self.__struct_fields__ if name != "source")
        return all(type(count) is int and 0 <= count <= MOST_TOKENS for count in counts)


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
