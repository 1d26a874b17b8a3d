"""What a run may cost at most, before it begins, and how much of it a budget pays for."""

from dataclasses import dataclass, replace

from billing.bills import rate
from billing.lines import Source
from billing.rating import PriceTerms, up

DEFAULT_OUTPUT_TOKENS = 2_048


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
    return up(max(input_bytes, 0) * 115, 300)


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
    source: Source = "estimated"


@dataclass(frozen=True, kw_only=True)
class _BoundedCall:
    usage: _Bound
    model: str = ""
    delivered: bool = True


def _dearest(terms: PriceTerms) -> PriceTerms:
    if terms.model is None:
        return terms
    tiers = tuple(replace(tier, input=tier.dearest_input, output=tier.dearest_output) for tier in terms.model.tiers)
    return replace(terms, model=replace(terms.model, tiers=tiers))
