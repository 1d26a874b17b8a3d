"""The price of a model, put together from its single items."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from billing.rating import ModelPrice, UnitPrices, up
from billing.units import COUNTED, WHOLE_OF

WHOLE = frozenset(("input", "output"))
"""Without a price of these a model has none; all other kinds of tokens are parts of them."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """What one unit costs, at a service tier, in calls of more than `context_from` tokens."""

    unit: str
    service_tier: str = ""
    context_from: int = 0
    price_pico: int
    most: int | None = None


def model_price(items: Iterable[Item]) -> ModelPrice | None:
    """The price; None without one of whole tokens in short calls at the usual tier: none of them may be guessed."""
    named: dict[str, dict[int, dict[str, int]]] = {}
    most: dict[str, int] = {}
    for item in items:
        named.setdefault(item.service_tier, {}).setdefault(item.context_from, {})[item.unit] = item.price_pico
        if item.most is not None:
            most[item.unit] = max(item.most, most.get(item.unit, 0))
    usual = named.pop("", {})
    if not usual.get(0, {}).keys() >= WHOLE:
        return None
    tiers = _contexts("", usual, base=_first(usual[0]))
    for service_tier, contexts in sorted(named.items()):
        for context_from in (each.context_from for each in tiers if not each.service_tier):
            contexts.setdefault(context_from, {})
        tiers += _beside(service_tier, contexts, usual=tiers)
    return ModelPrice(
        tiers=tuple(tiers),
        max_output_tokens=most.get("output"),
        most={unit: count for unit, count in most.items() if unit in COUNTED},
    )


def _contexts(service_tier: str, named: Mapping[int, Mapping[str, int]], *, base: dict[str, int]) -> list[UnitPrices]:
    tiers = []
    for context_from in sorted(named):
        base = _next(base, named[context_from])
        tiers.append(UnitPrices(service_tier=service_tier, context_from=context_from, **base))
    return tiers


def _beside(service_tier: str, named: Mapping[int, Mapping[str, int]], *, usual: list[UnitPrices]) -> list[UnitPrices]:
    """The contexts of another service tier: what it does not name follows from the usual tier at that context."""
    tiers = []
    before: dict[str, int] = {}
    for context_from in sorted(named):
        base = _prices([each for each in usual if each.context_from <= context_from and not each.service_tier][-1])
        # Long calls are never cheaper than short ones, nor than the usual long ones unless their price says so.
        kept = {unit: max(before[unit], base[unit]) for unit in WHOLE & before.keys()}
        before = _next(base, {**kept, **named[context_from]})
        tiers.append(UnitPrices(service_tier=service_tier, context_from=context_from, **before))
    return tiers


def _first(named: Mapping[str, int]) -> dict[str, int]:
    """The prices of every kind: its own, or that of the kind it is a part of.

    Nobody who asks for more to keep input keeps it for an hour at the price of five minutes: without a price of its own
    that is twice the price of input.
    """
    read = named["input"]
    stored = named.get("cache_write", read)
    prices = {unit: named.get(unit, named[whole]) for unit, whole in WHOLE_OF.items()}
    prices["cache_write_1h"] = named.get("cache_write_1h", max(2 * read, stored) if stored > read else stored)
    return {**prices, **named}


def _next(base: Mapping[str, int], named: Mapping[str, int]) -> dict[str, int]:
    """The prices of a dearer or cheaper tier: a part that it does not name keeps its proportion to the whole.

    It never becomes cheaper than in the tier below, which may well have named it for a reason.
    """
    prices = {**base, **named}
    for unit, whole in WHOLE_OF.items():
        if unit not in named and base[whole]:
            prices[unit] = max(base[unit], up(base[unit] * prices[whole], base[whole]))
    return prices


def _prices(tier: UnitPrices) -> dict[str, int]:
    return {name: value for name, value in vars(tier).items() if name not in ("service_tier", "context_from")}
