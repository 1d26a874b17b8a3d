"""The arithmetic of prices, in whole numbers: what a run may cost, and what it did cost.

Prices are picodollars per unit, amounts nanodollars. Cost and fee are rounded up to a whole nanodollar, an owner's
share of the cost down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

DEFAULT_OUTPUT_TOKENS = 2_048
PICOS_PER_NANO = 1_000
BASIS_POINTS = 10_000
MOST_TOKENS = 10_000_000
"""More than any model reads or writes in one call: counts beyond it are a provider's error."""
MOST_TOKEN_PICO = 10**10
"""The dearest token: a cent."""
MOST_PER_RUN_NANOS = 1_000 * 10**9
"""The dearest run: 1,000 dollars."""
MOST_NANOS = 10**18
"""More than any run comes to. Cost, markup and fee together stay below half of what the database can count."""


@dataclass(frozen=True, kw_only=True)
class UnitPrices:
    """What one token of each kind costs, in picodollars, in calls of at least `context_from` input tokens."""

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
    """The price of a model: its tiers by rising `context_from`, and the most it writes in one call, if known."""

    tiers: tuple[UnitPrices, ...]
    max_output_tokens: int | None = None

    def tier(self, input_tokens: int) -> UnitPrices:
        """The prices of a call that reads so many tokens; the whole call has one tier."""
        fitting = [tier for tier in self.tiers if input_tokens > tier.context_from or tier.context_from == 0]
        return fitting[-1]


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
        """Both together. None of the parts exceeds `MOST_NANOS`."""
        return Rated(
            cost_nanos=min(self.cost_nanos + other.cost_nanos, MOST_NANOS),
            markup_nanos=min(self.markup_nanos + other.markup_nanos, MOST_NANOS),
            fee_nanos=min(self.fee_nanos + other.fee_nanos, MOST_NANOS),
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


class CallRecord(Protocol):
    """A model call; one that failed before its first chunk was not delivered, and is not charged."""

    @property
    def usage(self) -> UsageCounts: ...
    @property
    def delivered(self) -> bool: ...


def rate(terms: PriceTerms, usages: Sequence[CallRecord], *, tool_nanos: int = 0, runs: int = 1) -> Rated:
    """The price of these calls, of priced tools (theirs goes to the creator), and of being run.

    cost = what the provider asks; markup = the owner's share of cost, per token, per run and tools;
    fee = the platform's share of both. An owner who pays with an own credential owes the fee alone. None of the three
    exceeds `MOST_NANOS`.
    """
    delivered = [record.usage for record in usages if record.delivered]
    cost = min(_up(sum(_model_pico(terms, usage) for usage in delivered), PICOS_PER_NANO), MOST_NANOS)
    own = _up(sum(_own_pico(terms, usage) for usage in delivered), PICOS_PER_NANO)
    markup = min(cost * terms.markup_bps // BASIS_POINTS + own + terms.per_run_nanos * runs + tool_nanos, MOST_NANOS)
    fee = min(_up((cost + markup) * terms.fee_bps, BASIS_POINTS), MOST_NANOS)
    if terms.owner_is_payer and not terms.platform_credential:
        return Rated(cost_nanos=0, markup_nanos=0, fee_nanos=fee)
    return Rated(cost_nanos=cost, markup_nanos=markup, fee_nanos=fee)


def estimate(terms: PriceTerms, *, input_bytes: int, max_output_tokens: int | None, calls: int = 1) -> int:
    """What a run may cost at most: input bounded by its bytes, output by the limit asked for and the model's own.

    Of every kind of input, and of every kind of output, the dearest counts. Sound alone is left out of the input: a
    second of it has a thousand bytes and more, and a few dozen tokens at most, so that its bytes at the price of text
    are bound enough; at its own price they would keep everybody but the rich from speaking to a model.
    """
    asked = DEFAULT_OUTPUT_TOKENS if max_output_tokens is None else max(max_output_tokens, 0)
    output = min(asked, terms.max_output_tokens)
    call = _BoundedCall(usage=_Bound(input_tokens=input_tokens_bound(input_bytes), output_tokens=output))
    return rate(_dearest(terms), [call] * calls).total_nanos


def input_tokens_bound(input_bytes: int) -> int:
    """More tokens than a tokenizer is likely to make of so many bytes: a third of them, and 15 % more."""
    return _up(max(input_bytes, 0) * 115, 300)


def affordable_output_tokens(terms: PriceTerms, *, budget_nanos: int, input_bytes: int) -> int | None:
    """How much output a budget pays for, the input being paid first: 0 if nothing, None where output costs nothing."""
    most = terms.max_output_tokens
    if estimate(terms, input_bytes=input_bytes, max_output_tokens=0) > budget_nanos:
        return 0
    if estimate(terms, input_bytes=input_bytes, max_output_tokens=most) <= budget_nanos:
        dear = _dearest(terms)
        costs = dear.output_pico or any(tier.output for tier in (dear.model.tiers if dear.model else ()))
        return most if costs else None
    low, high = 0, most  # what `low` costs is affordable, what `high` costs is not
    while high - low > 1:
        middle = (low + high) // 2
        if estimate(terms, input_bytes=input_bytes, max_output_tokens=middle) <= budget_nanos:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, kw_only=True)
class _Bound:
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class _BoundedCall:
    usage: _Bound
    delivered: bool = True


def _dearest(terms: PriceTerms) -> PriceTerms:
    if terms.model is None:
        return terms
    tiers = tuple(replace(tier, input=tier.dearest_input, output=tier.dearest_output) for tier in terms.model.tiers)
    return replace(terms, model=replace(terms.model, tiers=tiers))


def _model_pico(terms: PriceTerms, usage: UsageCounts) -> int:
    if terms.model is None:
        return 0
    read, written = _count(usage.input_tokens), _count(usage.output_tokens)
    price = terms.model.tier(read)
    # Details never exceed their total, whatever a provider reports.
    cached = _part(usage.cached_input_tokens, of=read)
    stored = _part(usage.cache_write_tokens, of=read - cached)
    long = _part(usage.cache_write_1h_tokens, of=stored)
    heard = _part(usage.input_audio_tokens, of=read - cached - stored)
    seen = _part(usage.input_image_tokens, of=read - cached - stored - heard)
    thought = _part(usage.reasoning_tokens, of=written)
    spoken = _part(usage.output_audio_tokens, of=written - thought)
    drawn = _part(usage.output_image_tokens, of=written - thought - spoken)
    return (
        (read - cached - stored - heard - seen) * price.input
        + cached * price.cached_input
        + (stored - long) * price.cache_write
        + long * price.cache_write_1h
        + heard * price.input_audio
        + seen * price.input_image
        + (written - thought - spoken - drawn) * price.output
        + thought * price.reasoning
        + spoken * price.output_audio
        + drawn * price.output_image
    )


def _own_pico(terms: PriceTerms, usage: UsageCounts) -> int:
    return _count(usage.input_tokens) * terms.input_pico + _count(usage.output_tokens) * terms.output_pico


def _count(tokens: int) -> int:
    return min(max(tokens, 0), MOST_TOKENS)


def _part(tokens: int, *, of: int) -> int:
    return min(max(tokens, 0), of)


def _up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
