"""The arithmetic of prices: whole numbers, sums that match, estimates that are not outrun."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import (
    DEFAULT_OUTPUT_TOKENS,
    MOST_PER_RUN_NANOS,
    MOST_TOKEN_PICO,
    ModelPrice,
    PriceTerms,
    Rated,
    UnitPrices,
    affordable_output_tokens,
    estimate,
    input_tokens_bound,
    rate,
)
from billing.rating import MOST_BILLED_NANOS, quantities
from billing.units import COUNTED, MOST_TOKENS, WHOLE_OF
from skills.sdk.usage import Usage, UsageRecord

MINI = ModelPrice(
    tiers=(UnitPrices(input=150_000, cached_input=75_000, cache_write=150_000, output=600_000, reasoning=600_000),),
    max_output_tokens=16_384,
)
LONG = ModelPrice(
    tiers=(
        UnitPrices(input=1_250_000, output=10_000_000, reasoning=10_000_000),
        UnitPrices(context_from=200_000, input=2_500_000, output=15_000_000, reasoning=15_000_000),
    )
)
TERMS = PriceTerms(model=MINI, platform_credential=True, owner_is_payer=False)

picos = st.integers(0, 10**10)
tokens = st.integers(0, 2_000_000)
shares = st.integers(0, 30_000)
units = st.builds(
    UnitPrices, input=picos, cached_input=picos, cache_write=picos, cache_write_1h=picos, input_audio=picos,
    input_image=picos, output=picos, reasoning=picos, output_audio=picos, output_image=picos,
)  # fmt: skip
all_terms = st.builds(
    PriceTerms,
    model=st.none() | st.builds(lambda tier: ModelPrice(tiers=(tier,)), units),
    per_run_nanos=st.integers(0, 10**10),
    markup_bps=shares,
    input_pico=picos,
    output_pico=picos,
    fee_bps=shares,
    platform_credential=st.booleans(),
    owner_is_payer=st.booleans(),
)
usages = st.builds(
    Usage, input_tokens=tokens, cached_input_tokens=tokens, cache_write_tokens=tokens, cache_write_1h_tokens=tokens,
    input_audio_tokens=tokens, input_image_tokens=tokens, output_tokens=tokens, reasoning_tokens=tokens,
    output_audio_tokens=tokens, output_image_tokens=tokens,
)  # fmt: skip


def record(usage: Usage, *, delivered: bool = True) -> UsageRecord:
    return UsageRecord(model="x/y", usage=usage, platform_credential=True, agent_id="a", delivered=delivered)


def test_a_thousand_tokens_of_a_small_model() -> None:
    rated = rate(TERMS, [record(Usage(input_tokens=1_000, output_tokens=500))])

    assert (rated.cost_nanos, rated.markup_nanos, rated.fee_nanos, rated.total_nanos) == (450_000, 0, 0, 450_000)


def test_an_agents_price_is_added_and_the_fee_is_taken_of_both() -> None:
    terms = replace(TERMS, per_run_nanos=1_000, markup_bps=2_000, input_pico=10_000, output_pico=20_000, fee_bps=500)

    rated = rate(terms, [record(Usage(input_tokens=1_000, output_tokens=500))], tool_nanos=7, runs=2)

    assert rated.cost_nanos == 450_000
    assert rated.markup_nanos == 90_000 + (10_000 + 10_000) + 2 * 1_000 + 7
    assert rated.fee_nanos == -(-(450_000 + 112_007) * 500 // 10_000)


def test_an_owner_with_an_own_credential_owes_the_fee_alone() -> None:
    terms = replace(TERMS, platform_credential=False, owner_is_payer=True, fee_bps=1_000, per_run_nanos=50)

    rated = rate(terms, [record(Usage(input_tokens=1_000))])

    assert (rated.cost_nanos, rated.markup_nanos, rated.fee_nanos) == (0, 0, 15_005)


KINDS = UnitPrices(
    input=10_000, cached_input=1_000, cache_write=12_500, cache_write_1h=20_000, input_audio=50_000, input_image=13_000,
    output=40_000, reasoning=30_000, output_audio=90_000, output_image=120_000,
)  # fmt: skip


@pytest.mark.parametrize(
    ("details", "nanos"),
    [
        ({}, 100 * 10 + 100 * 40),
        ({"cached_input_tokens": 60}, 40 * 10 + 60 * 1 + 100 * 40),
        ({"cache_write_tokens": 60}, 40 * 10 + 60 * 12.5 + 100 * 40),
        ({"cache_write_tokens": 60, "cache_write_1h_tokens": 60}, 40 * 10 + 60 * 20 + 100 * 40),
        ({"cache_write_tokens": 60, "cache_write_1h_tokens": 20}, 40 * 10 + 40 * 12.5 + 20 * 20 + 100 * 40),
        ({"input_audio_tokens": 60}, 40 * 10 + 60 * 50 + 100 * 40),
        ({"input_image_tokens": 60}, 40 * 10 + 60 * 13 + 100 * 40),
        ({"reasoning_tokens": 60}, 100 * 10 + 40 * 40 + 60 * 30),
        ({"output_audio_tokens": 60}, 100 * 10 + 40 * 40 + 60 * 90),
        ({"output_image_tokens": 60}, 100 * 10 + 40 * 40 + 60 * 120),
        (
            {
                "cached_input_tokens": 30, "cache_write_tokens": 20, "cache_write_1h_tokens": 8,
                "input_audio_tokens": 10, "input_image_tokens": 5, "reasoning_tokens": 30,
                "output_audio_tokens": 20, "output_image_tokens": 10,
            },
            35 * 10 + 30 * 1 + 12 * 12.5 + 8 * 20 + 10 * 50 + 5 * 13 + 40 * 40 + 30 * 30 + 20 * 90 + 10 * 120,
        ),
    ],
    ids=[
        "nothing particular", "read from the cache", "written for 5 minutes", "written for an hour", "written for both",
        "heard", "seen", "thought", "spoken", "drawn", "all at once",
    ],
)  # fmt: skip
def test_tokens_of_every_kind_have_a_price_of_their_own(details: dict[str, Any], nanos: float) -> None:
    usage = Usage(input_tokens=100, output_tokens=100, **details)

    rated = rate(replace(TERMS, model=ModelPrice(tiers=(KINDS,))), [record(usage)])

    assert rated.cost_nanos == nanos


def test_parts_that_overlap_are_charged_once() -> None:
    usage = Usage(input_tokens=100, cached_input_tokens=90, input_audio_tokens=90, input_image_tokens=90)

    rated = rate(replace(TERMS, model=ModelPrice(tiers=(KINDS,))), [record(usage)])

    assert rated.cost_nanos == 90 * 1 + 10 * 50


@given(usage=usages)
def test_whatever_parts_are_reported_each_token_is_charged_once(usage: Usage) -> None:
    prices: dict[str, Any] = dict.fromkeys(("input", "output", *WHOLE_OF), 1_000)
    alike = UnitPrices(**prices)

    rated = rate(replace(TERMS, model=ModelPrice(tiers=(alike,))), [record(usage)])

    assert rated.cost_nanos == usage.input_tokens + usage.output_tokens
    assert min(quantities(usage).values()) >= 0


@pytest.mark.parametrize(("read", "price"), [(200_000, 1_250_000), (200_001, 2_500_000)])
def test_a_long_context_has_a_price_of_its_own(read: int, price: int) -> None:
    rated = rate(replace(TERMS, model=LONG), [record(Usage(input_tokens=read))])

    assert rated.cost_nanos == read * price // 1_000


def test_no_amount_is_more_than_the_books_can_hold() -> None:
    dearest = ModelPrice(tiers=(UnitPrices(input=MOST_TOKEN_PICO, output=MOST_TOKEN_PICO),))
    terms = replace(TERMS, model=dearest, per_run_nanos=MOST_PER_RUN_NANOS, markup_bps=10_000, fee_bps=10_000)
    calls = [record(Usage(input_tokens=MOST_TOKENS, output_tokens=MOST_TOKENS))] * 10_000

    rated = rate(terms, calls, tool_nanos=2**80)

    assert rated == Rated(cost_nanos=MOST_BILLED_NANOS, markup_nanos=MOST_BILLED_NANOS, fee_nanos=MOST_BILLED_NANOS)
    assert rated.total_nanos < 2**62
    assert estimate(terms, input_bytes=2**80, max_output_tokens=2**80) <= 3 * MOST_BILLED_NANOS


def test_a_call_that_delivered_nothing_costs_nothing() -> None:
    rated = rate(TERMS, [record(Usage(input_tokens=1_000), delivered=False)])

    assert rated.total_nanos == 0


@pytest.mark.parametrize("field", ["input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"])
@pytest.mark.parametrize("absurd", [-(10**9), 10**12])
def test_absurd_counts_are_bounded(field: str, absurd: int) -> None:
    counts: dict[str, Any] = {"input_tokens": 10, "output_tokens": 10, field: absurd}

    rated = rate(TERMS, [record(Usage(**counts))])

    assert 0 <= rated.total_nanos <= 10**10


@given(terms=all_terms, calls=st.lists(usages, max_size=4), tool=st.integers(0, 10**9), runs=st.integers(0, 3))
def test_a_price_is_whole_numbers_that_are_not_negative(
    terms: PriceTerms, calls: list[Usage], tool: int, runs: int
) -> None:
    rated = rate(terms, [record(usage) for usage in calls], tool_nanos=tool, runs=runs)
    parts = (rated.cost_nanos, rated.markup_nanos, rated.fee_nanos)

    assert all(type(part) is int and part >= 0 for part in parts)
    assert rated.total_nanos == sum(parts)


@given(price=picos, read=tokens)
def test_rounding_costs_less_than_a_nanodollar_and_never_the_platform(price: int, read: int) -> None:
    terms = replace(TERMS, model=ModelPrice(tiers=(UnitPrices(input=price),)))

    cost = rate(terms, [record(Usage(input_tokens=read))]).cost_nanos

    assert 0 <= cost * 1_000 - price * read < 1_000


READ = ("cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens", "input_image_tokens")
WRITTEN = ("reasoning_tokens", "output_audio_tokens", "output_image_tokens")


@given(
    terms=all_terms,
    size=st.integers(0, 10**7),
    shares=st.fixed_dictionaries(dict.fromkeys(("input_tokens", *READ, *WRITTEN), st.integers(0, 100))),
    output=st.integers(0, 100_000),
)
def test_what_stays_within_its_bounds_costs_no_more_than_was_estimated(
    terms: PriceTerms, size: int, shares: dict[str, int], output: int
) -> None:
    read = input_tokens_bound(size) * shares["input_tokens"] // 100
    parts: dict[str, Any] = {name: read * shares[name] // 100 for name in READ} | {
        name: output * shares[name] // 100 for name in WRITTEN
    }
    used = rate(terms, [record(Usage(input_tokens=read, output_tokens=output, **parts))])

    assert used.total_nanos <= estimate(terms, input_bytes=size, max_output_tokens=output)


@given(
    terms=all_terms,
    prices=st.fixed_dictionaries(dict.fromkeys((*COUNTED, "request"), st.integers(0, 10**12))),
    most=st.dictionaries(st.sampled_from(sorted(COUNTED)), st.integers(1, 100)),
    used=st.integers(0, 100),
    tier=st.sampled_from(("", "flex", "priority")),
    asked=st.sampled_from(("", "flex", "priority")),
)
def test_what_no_bytes_bound_is_reserved_as_often_as_a_call_may_use_it(
    terms: PriceTerms, prices: dict[str, Any], most: dict[str, int], used: int, tier: str, asked: str
) -> None:
    usual = UnitPrices(input=5, output=7, **prices)
    fast = replace(usual, service_tier="priority", search=3 * usual.search, input=11)
    own = replace(terms, model=ModelPrice(tiers=(usual, fast), most=most))
    counts: dict[str, Any] = {COUNTED[unit]: min(used, count) for unit, count in most.items()}
    served: Any = tier if tier == asked else ""

    spent = rate(own, [record(Usage(input_tokens=10, output_tokens=9, service_tier=served, **counts))])

    assert spent.total_nanos <= estimate(own, input_bytes=30, max_output_tokens=9, service_tier=asked)


@pytest.mark.parametrize("unit", sorted(COUNTED))
def test_every_unit_beside_tokens_has_a_price(unit: str) -> None:
    own = replace(TERMS, model=ModelPrice(tiers=(UnitPrices(**{unit: 5_000}),), most={unit: 10}))  # type: ignore[arg-type]

    counts: Any = {COUNTED[unit]: 3}
    assert rate(own, [record(Usage(**counts))]).cost_nanos == 15
    assert estimate(own, input_bytes=0, max_output_tokens=0) == 50


def test_every_call_is_a_request() -> None:
    own = replace(TERMS, model=ModelPrice(tiers=(UnitPrices(request=5_000),)))

    assert rate(own, [record(Usage()), record(Usage()), record(Usage(), delivered=False)]).cost_nanos == 10
    assert estimate(own, input_bytes=0, max_output_tokens=0, calls=2) == 10


def test_searches_beyond_those_reserved_earn_their_claimant_nothing() -> None:
    priced = ModelPrice(tiers=(UnitPrices(search=10_000),), most={"search": 2})
    own = replace(TERMS, model=priced, platform_credential=False, markup_bps=1_000)

    claimed = rate(own, [record(Usage(search_requests=1_000))])

    assert (claimed.cost_nanos, claimed.markup_nanos) == (20, 2)


def test_searches_on_the_platforms_account_cost_what_they_cost() -> None:
    priced = ModelPrice(tiers=(UnitPrices(search=10_000),), most={"search": 2})

    assert rate(replace(TERMS, model=priced), [record(Usage(search_requests=1_000))]).cost_nanos == 10_000


@pytest.mark.parametrize("bytes_a_second", [1_000, 16_000, 48_000], ids=["8 kbit/s", "128 kbit/s", "24 kHz PCM"])
def test_the_bytes_of_sound_are_bound_enough(bytes_a_second: int) -> None:
    terms = replace(TERMS, model=ModelPrice(tiers=(UnitPrices(input=2_500_000, input_audio=40_000_000),)))
    heard = 60 * 25
    spoken_to = record(Usage(input_tokens=heard, input_audio_tokens=heard))

    reserved = estimate(terms, input_bytes=60 * bytes_a_second * 4 // 3, max_output_tokens=0)

    assert rate(terms, [spoken_to]).total_nanos <= reserved


def test_without_a_limit_the_usual_one_is_estimated_and_never_more_than_the_model_writes() -> None:
    usual = estimate(TERMS, input_bytes=300, max_output_tokens=None)
    most = estimate(TERMS, input_bytes=300, max_output_tokens=10**9)

    assert usual == 115 * 150 + DEFAULT_OUTPUT_TOKENS * 600
    assert most == 115 * 150 + 16_384 * 600


@given(terms=all_terms, size=st.integers(0, 10**6), budget=st.integers(0, 10**13))
def test_what_is_affordable_is_affordable_and_one_token_more_is_not(terms: PriceTerms, size: int, budget: int) -> None:
    affordable = affordable_output_tokens(terms, budget_nanos=budget, input_bytes=size)

    if affordable is None:
        assert estimate(terms, input_bytes=size, max_output_tokens=terms.max_output_tokens) <= budget
    elif affordable:
        assert estimate(terms, input_bytes=size, max_output_tokens=affordable) <= budget
    if affordable is not None and affordable < terms.max_output_tokens:
        assert estimate(terms, input_bytes=size, max_output_tokens=affordable + 1) > budget


def test_output_that_costs_nothing_is_not_limited_by_money() -> None:
    free = PriceTerms(model=None, per_run_nanos=5, platform_credential=True, owner_is_payer=False)

    assert affordable_output_tokens(free, budget_nanos=5, input_bytes=100) is None
    assert affordable_output_tokens(free, budget_nanos=4, input_bytes=100) == 0


def test_a_rich_wallet_affords_all_that_the_model_writes() -> None:
    assert affordable_output_tokens(TERMS, budget_nanos=10**12, input_bytes=100) == 16_384


def test_any_object_with_the_counts_is_a_usage() -> None:
    counts: dict[str, Any] = {**dict.fromkeys(Usage.__struct_fields__, 0), "input_tokens": 2, "source": "provider"}
    told = SimpleNamespace(model="x/y", usage=SimpleNamespace(**counts), delivered=True)

    assert rate(TERMS, [told]).cost_nanos == 300
