"""A model's price, put together from single items: nothing is guessed, and nothing is cheaper for want of a price."""

from typing import Any

import pytest

from billing.rating import ModelPrice
from billing.tiers import Item, model_price

WHOLE = (Item(unit="input", price_pico=1_000), Item(unit="output", price_pico=4_000))


def item(unit: str, price: int, *, tier: str = "", above: int = 0, most: int | None = None) -> Item:
    return Item(unit=unit, service_tier=tier, context_from=above, price_pico=price, most=most)


def priced(*items: Item) -> ModelPrice:
    found = model_price((*WHOLE, *items))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "items",
    [
        (),
        WHOLE[:1],
        WHOLE[1:],
        (item("image_out", 5), item("request", 5)),
        (item("input", 5, above=200_000), item("output", 5, above=200_000)),
        (item("input", 5, tier="flex"), item("output", 5, tier="flex")),
    ],
    ids=["nothing", "only input", "only output", "no tokens", "only long calls", "only another speed"],
)
def test_a_part_of_a_price_is_none(items: tuple[Item, ...]) -> None:
    assert model_price(items) is None


def test_kinds_without_a_price_cost_what_they_are_a_part_of() -> None:
    tier = priced().tier(1)

    assert (tier.cached_input, tier.cache_write, tier.input_audio, tier.input_image) == (1_000,) * 4
    assert (tier.reasoning, tier.output_audio, tier.output_image) == (4_000,) * 3
    assert (tier.search, tier.request, tier.image_out) == (0, 0, 0)


def test_parts_keep_their_proportion_in_long_calls() -> None:
    price = priced(item("cached_input", 101), item("cache_write", 1_250), item("input", 2_000, above=200_000))

    long = price.tier(200_001)

    assert (long.input, long.cached_input, long.cache_write, long.output, long.reasoning) == (
        2_000, 202, 2_500, 4_000, 4_000,
    )  # fmt: skip
    assert price.tier(200_000).cached_input == 101


def test_a_part_never_becomes_cheaper_unless_its_price_says_so() -> None:
    flex = priced(
        item("output_audio", 9_000), item("cached_input", 100), item("input", 500, tier="flex"),
        item("output", 2_000, tier="flex"), item("cached_input", 50, tier="flex"),
    ).tier(1, "flex")  # fmt: skip

    assert (flex.input, flex.output, flex.cached_input, flex.output_audio) == (500, 2_000, 50, 9_000)


def test_a_dearer_speed_raises_what_it_does_not_name() -> None:
    fast = priced(
        item("cached_input", 100), item("input", 2_000, tier="priority"), item("output", 8_000, tier="priority")
    ).tier(1, "priority")

    assert (fast.cached_input, fast.reasoning) == (200, 8_000)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [((), (2_000, 6_000)), ((item("input", 900, tier="flex", above=272_000),), (900, 6_000))],
    ids=["not named", "named"],
)
def test_long_calls_at_another_speed(extra: tuple[Item, ...], expected: tuple[int, int]) -> None:
    price = priced(
        item("input", 2_000, above=272_000), item("output", 6_000, above=272_000), item("input", 500, tier="flex"),
        item("output", 2_000, tier="flex"), *extra,
    )  # fmt: skip

    long = price.tier(272_001, "flex")

    assert (long.input, long.output) == expected
    assert price.tier(272_000, "flex").input == 500


def test_a_speed_without_prices_costs_what_the_usual_one_costs() -> None:
    assert priced().tier(1, "priority") == priced().tier(1)


def test_a_speed_may_have_prices_for_long_calls_only() -> None:
    price = priced(item("input", 9_000, tier="priority", above=128_000))

    assert (price.tier(1, "priority").input, price.tier(128_001, "priority").input) == (1_000, 9_000)


def test_the_most_that_a_call_uses_is_known_by_unit() -> None:
    found = model_price(
        (WHOLE[0], item("output", 4_000, most=8_192), item("search", 10**10, most=5), item("image_out", 10**10))
    )

    assert found is not None
    assert (found.max_output_tokens, found.most) == (8_192, {"search": 5})


@pytest.mark.parametrize("name", ["search", "page", "request", "second_in", "character_out"])
def test_what_is_no_token_costs_the_same_in_long_calls(name: str) -> None:
    prices: dict[str, Any] = vars(priced(item(name, 7), item("input", 2_000, above=200_000)).tier(200_001))

    assert prices[name] == 7
