"""Prices as numbers: what a unit costs, on which terms a run is charged, and how much of each unit a call used.

Prices are picodollars per unit, amounts nanodollars; all of them are whole numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from billing.lines import Source
from billing.units import COUNTED, MOST_TOKENS, REQUEST, SMALL, UNITS, WHOLE_OF, most_of

PICOS_PER_NANO = 1_000
BASIS_POINTS = 10_000
_TOKENS = frozenset(("input", "output", *WHOLE_OF))
MOST_PER_RUN_NANOS = 1_000 * 10**9
"""The dearest run: 1,000 dollars."""
MOST_NANOS = 10**18
"""More than any wallet holds. Three of them stay below half of what the database can count."""
MOST_BILLED_NANOS = 9 * 10**15
"""More than any part of a bill comes to: its picodollars still fit into a column."""


@dataclass(frozen=True, kw_only=True)
class UnitPrices:
    """What one of each unit costs, in picodollars, at a service tier, in calls of more than `context_from` tokens."""

    service_tier: str = ""
    context_from: int = 0
    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    output: int = 0
    reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0
    citation: int = 0
    search: int = 0
    image_in: int = 0
    image_out: int = 0
    pixel_in: int = 0
    pixel_out: int = 0
    second_in: int = 0
    second_out: int = 0
    character_in: int = 0
    character_out: int = 0
    page: int = 0
    request: int = 0

    def by_the_million(self) -> dict[str, int]:
        """The price of each kind of token, also of what costs nothing; of the rest only what costs something."""
        return {unit: price for unit in UNITS if unit in SMALL and ((price := getattr(self, unit)) or unit in _TOKENS)}

    def by_the_piece(self) -> dict[str, int]:
        """The prices of what there are few of in a call."""
        return {unit: price for unit in UNITS if unit not in SMALL and (price := getattr(self, unit))}

    @property
    def dearest_input(self) -> int:
        """What a token of input costs at most, whatever it is and wherever it is kept; of sound see `estimate`."""
        return max(self.input, self.cached_input, self.cache_write, self.cache_write_1h, self.input_image)

    @property
    def dearest_output(self) -> int:
        """What a token of output costs at most, whatever it is."""
        return max(self.output, self.reasoning, self.output_audio, self.output_image)


@dataclass(frozen=True, kw_only=True)
class ModelPrice:
    """The price of a model: its tiers by rising `context_from`, the most it writes in one call, if known, and the most
    that one call uses of units which nobody can bound by what is sent: searches, images, pages.
    """

    tiers: tuple[UnitPrices, ...]
    max_output_tokens: int | None = None
    most: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def dearest(self) -> "ModelPrice":
        """The same model where every token of input, and every one of output, is as dear as the dearest of them."""
        tiers = (replace(tier, input=tier.dearest_input, output=tier.dearest_output) for tier in self.tiers)
        return replace(self, tiers=tuple(tiers))

    def tier(self, input_tokens: int, service_tier: str = "") -> UnitPrices:
        """The prices of a call that reads so many tokens; the whole call has one tier.

        A service tier without prices costs what the usual one costs.
        """
        served = [tier for tier in self.tiers if tier.service_tier == service_tier]
        offered = served or [tier for tier in self.tiers if not tier.service_tier]
        return [tier for tier in offered if input_tokens > tier.context_from or tier.context_from == 0][-1]


@dataclass(frozen=True, kw_only=True)
class AgentPrice:
    """What an agent's owner asks: per run, on top of the model's cost, or per token of its own."""

    per_run_nanos: int = 0
    markup_bps: int = 0
    input_pico: int | None = None
    output_pico: int | None = None

    @property
    def explicit(self) -> bool:
        """Whether the owner named a price that stands without the model's."""
        return self.per_run_nanos > 0 or self.input_pico is not None or self.output_pico is not None


@dataclass(frozen=True, kw_only=True)
class PriceTerms:
    """Everything a run's price depends on, pinned when the run is reserved. `model` is None for an unpriced model."""

    model: ModelPrice | None
    per_run_nanos: int = 0
    markup_bps: int = 0
    input_pico: int = 0
    output_pico: int = 0
    fee_bps: int = 0
    price_version_id: int | None = None
    platform_credential: bool
    owner_is_payer: bool

    @property
    def most(self) -> Mapping[str, int]:
        """The most that one call uses of what nobody can bound by what is sent, by what a usage calls it."""
        return {COUNTED[unit]: count for unit, count in (self.model.most if self.model else {}).items()}

    @property
    def max_output_tokens(self) -> int:
        """The most output a call can have, as far as anybody knows."""
        known = self.model.max_output_tokens if self.model else None
        return known or MOST_TOKENS


@dataclass(frozen=True, kw_only=True)
class Rated:
    """What something came to. The payer owes the total; who gets which part is the ledger's to decide."""

    cost_nanos: int
    markup_nanos: int
    fee_nanos: int

    @property
    def total_nanos(self) -> int:
        """All of it."""
        return self.cost_nanos + self.markup_nanos + self.fee_nanos

    def __add__(self, other: "Rated") -> "Rated":
        """Both together. None of the parts exceeds `MOST_BILLED_NANOS`."""
        return Rated(
            cost_nanos=min(self.cost_nanos + other.cost_nanos, MOST_BILLED_NANOS),
            markup_nanos=min(self.markup_nanos + other.markup_nanos, MOST_BILLED_NANOS),
            fee_nanos=min(self.fee_nanos + other.fee_nanos, MOST_BILLED_NANOS),
        )


class UsageCounts(Protocol):
    """What a model call used; details are part of their totals."""

    @property
    def input_tokens(self) -> int: ...
    @property
    def cached_input_tokens(self) -> int: ...
    @property
    def cache_write_tokens(self) -> int: ...
    @property
    def cache_write_1h_tokens(self) -> int: ...
    @property
    def input_audio_tokens(self) -> int: ...
    @property
    def input_image_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def reasoning_tokens(self) -> int: ...
    @property
    def output_audio_tokens(self) -> int: ...
    @property
    def output_image_tokens(self) -> int: ...
    @property
    def service_tier(self) -> str: ...
    @property
    def source(self) -> Source: ...


class CallRecord(Protocol):
    """A model call; one that failed before its first chunk was not delivered, and is not charged."""

    @property
    def model(self) -> str: ...
    @property
    def usage(self) -> UsageCounts: ...
    @property
    def delivered(self) -> bool: ...


def quantities(usage: UsageCounts) -> dict[str, int]:
    """How much of each unit a call used. Details never exceed their total, whatever a provider reports."""
    read, written = credible(usage.input_tokens), credible(usage.output_tokens)
    cached = _part(usage.cached_input_tokens, of=read)
    stored = _part(usage.cache_write_tokens, of=read - cached)
    long = _part(usage.cache_write_1h_tokens, of=stored)
    heard = _part(usage.input_audio_tokens, of=read - cached - stored)
    seen = _part(usage.input_image_tokens, of=read - cached - stored - heard)
    thought = _part(usage.reasoning_tokens, of=written)
    spoken = _part(usage.output_audio_tokens, of=written - thought)
    drawn = _part(usage.output_image_tokens, of=written - thought - spoken)
    used = {
        "input": read - cached - stored - heard - seen,
        "cached_input": cached,
        "cache_write": stored - long,
        "cache_write_1h": long,
        "input_audio": heard,
        "input_image": seen,
        "output": written - thought - spoken - drawn,
        "reasoning": thought,
        "output_audio": spoken,
        "output_image": drawn,
    }
    for unit, name in COUNTED.items():
        if count := getattr(usage, name, 0):
            used[unit] = _part(count, of=most_of(unit))
    used[REQUEST] = 1
    return used


def credible(tokens: int) -> int:
    """The count, or the nearest one that can be true."""
    return min(max(tokens, 0), MOST_TOKENS)


def up(dividend: int, divisor: int) -> int:
    """The quotient, rounded up."""
    return -(-dividend // divisor)


def _part(count: int, *, of: int) -> int:
    return min(max(count, 0), of)
