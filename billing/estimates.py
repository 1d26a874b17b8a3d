"""What a run may cost at most, before it begins, and how much of it a budget pays for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from billing.bills import rate
from billing.lines import Source
from billing.rating import PriceTerms, up

DEFAULT_OUTPUT_TOKENS = 2_048


def estimate(
    terms: PriceTerms, *, input_bytes: int, max_output_tokens: int | None, calls: int = 1, service_tier: str = ""
) -> int:
    """What a run may cost at most: input bounded by its bytes, output by the limit asked for and the model's own.

    Of every kind of input, and of every kind of output, the dearest counts. Sound alone is left out of the input: a
    second of it has a thousand bytes and more, and a few dozen tokens at most, so that its bytes at the price of text
    are bound enough; at its own price they would keep everybody but the rich from speaking to a model.

    Units that no bytes bound, such as searches and images, count as often as the price says that one call may use them.
    Whoever asks for a service tier may be served at the usual one as well: the dearer counts.
    """
    asked = DEFAULT_OUTPUT_TOKENS if max_output_tokens is None else max(max_output_tokens, 0)
    dear = _dearest(terms)
    read, written = input_tokens_bound(input_bytes), min(asked, terms.max_output_tokens)
    most: Mapping[str, Any] = terms.most
    bounds = (
        _Bound(input_tokens=read, output_tokens=written, service_tier=tier, **most) for tier in {"", service_tier}
    )
    return max(rate(dear, [_BoundedCall(usage=bound)] * calls).total_nanos for bound in bounds)


def input_tokens_bound(input_bytes: int) -> int:
    """More tokens than a tokenizer is likely to make of so many bytes: a third of them, and 15 % more."""
    return up(max(input_bytes, 0) * 115, 300)


def affordable_output_tokens(
    terms: PriceTerms, *, budget_nanos: int, input_bytes: int, service_tier: str = ""
) -> int | None:
    """How much output a budget pays for, the input being paid first: 0 if nothing, None where output costs nothing."""
    costing = partial(estimate, terms, input_bytes=input_bytes, service_tier=service_tier)
    most = terms.max_output_tokens
    if costing(max_output_tokens=0) > budget_nanos:
        return 0
    if costing(max_output_tokens=most) <= budget_nanos:
        dear = _dearest(terms)
        costs = dear.output_pico or any(tier.output for tier in (dear.model.tiers if dear.model else ()))
        return most if costs else None
    low, high = 0, most  # what `low` costs is affordable, what `high` costs is not
    while high - low > 1:
        middle = (low + high) // 2
        if costing(max_output_tokens=middle) <= budget_nanos:
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
    service_tier: str = ""
    source: Source = "estimated"


@dataclass(frozen=True, kw_only=True)
class _BoundedCall:
    usage: _Bound
    model: str = ""
    delivered: bool = True


def _dearest(terms: PriceTerms) -> PriceTerms:
    return terms if terms.model is None else replace(terms, model=terms.model.dearest)
