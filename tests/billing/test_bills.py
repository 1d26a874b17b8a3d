"""Bills of runs: every nanodollar has a line that explains it."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.bills import Bill, PricedCall, ToolPrice, bill
from billing.rating import MOST_BILLED_NANOS, ModelPrice, PriceTerms, UnitPrices
from skills.sdk.usage import Usage
from tests.billing.test_rating import MINI, TERMS, all_terms, record, shares, tokens, usages

OTHER = replace(TERMS, model=ModelPrice(tiers=(UnitPrices(input=1_001, output=3_001),)))
FOREIGN = replace(TERMS, owner_is_payer=False)

tools = st.lists(
    st.builds(ToolPrice, tool=st.sampled_from(("search", "draw")), nanos=st.integers(0, 10**12)), max_size=3
)


def call(terms: PriceTerms = TERMS, *, delivered: bool = True, paid: Usage | None = None, **counts: Any) -> PricedCall:
    return PricedCall(record=record(Usage(**counts), delivered=delivered), terms=terms, paid=paid)


def amounts(billed: Bill, *, part: str) -> list[tuple[str, int, int, int]]:
    return [(line.unit, line.quantity, line.price_pico, line.amount_pico) for line in billed.lines if line.part == part]


def explained(billed: Bill, part: str) -> int:
    """The nanodollars that the billable lines of a part come to."""
    return -(-sum(line.amount_pico for line in billed.lines if line.part == part and line.billable) // 1_000)


def test_a_bill_has_a_line_for_everything_that_costs() -> None:
    own = replace(TERMS, per_run_nanos=1_000, markup_bps=2_000, input_pico=10_000, output_pico=20_000, fee_bps=500)

    billed = bill(
        [call(own, input_tokens=1_000, cached_input_tokens=400, output_tokens=500)],
        own=own, agent="acme/greeter", tools=[ToolPrice(tool="search", nanos=7, call_id="call_1")], runs=1,
    )  # fmt: skip

    # 600 at $0.15, 400 at $0.075 and 500 at $0.60 a million.
    assert amounts(billed, part="cost") == [
        ("input", 600, 150_000, 90_000_000),
        ("cached_input", 400, 75_000, 30_000_000),
        ("output", 500, 600_000, 300_000_000),
    ]
    assert amounts(billed, part="markup") == [
        ("input", 1_000, 10_000, 10_000_000),
        ("output", 500, 20_000, 10_000_000),
        ("call", 1, 7_000, 7_000),
        ("run", 1, 1_000_000, 1_000_000),
        ("basis_points", 420_000, 2_000, 84_000_000),
    ]
    # 5 % of 420,000 + 105,007 nanodollars, rounded up.
    assert amounts(billed, part="fee") == [("basis_points", 525_007, 500, 26_251_000)]
    assert (billed.rated.cost_nanos, billed.rated.markup_nanos, billed.rated.fee_nanos) == (420_000, 105_007, 26_251)
    assert {line.sku for line in billed.lines} == {"x/y", "acme/greeter", "search"}


def test_a_run_of_several_models_is_rounded_once() -> None:
    calls = [call(OTHER, input_tokens=1), call(replace(OTHER, model=MINI), input_tokens=0, output_tokens=0)]

    billed = bill([*calls, call(OTHER, output_tokens=1)], own=OTHER, agent="a", runs=0)

    # 1,001 + 3,001 picodollars are 4.002 nanodollars: 5, where each call for itself would come to 2 + 4.
    assert billed.rated.cost_nanos == 5


def test_calls_of_one_model_share_their_lines_until_they_differ() -> None:
    same = [call(input_tokens=10), call(input_tokens=20)]
    counted = call(input_tokens=5, source="counted")
    told = replace(call(input_tokens=1), upstream_request_id="req_1")

    billed = bill([*same, counted, told], own=TERMS, agent="a")

    assert [(line.quantity, line.source, line.upstream_request_id) for line in billed.lines] == [
        (30, "provider", ""),
        (5, "counted", ""),
        (1, "provider", "req_1"),
    ]


def test_an_attempt_that_failed_is_written_down_and_not_charged() -> None:
    failed = replace(call(input_tokens=1_000, delivered=False), attempt=1)

    billed = bill([failed, replace(call(input_tokens=1_000), attempt=2)], own=TERMS, agent="a")

    assert [(line.attempt, line.billable, line.reason) for line in billed.lines] == [(1, False, "retry"), (2, True, "")]
    assert billed.rated.cost_nanos == 150_000


def test_an_own_credential_leaves_the_fee_and_the_lines_that_explain_it() -> None:
    own = replace(TERMS, platform_credential=False, owner_is_payer=True, fee_bps=1_000, per_run_nanos=50)

    billed = bill([call(own, input_tokens=1_000)], own=own, agent="a")

    assert [(line.part, line.billable, line.reason) for line in billed.lines] == [
        ("cost", False, "own_credential"),
        ("markup", False, "own_credential"),
        ("fee", True, ""),
    ]
    # 10 % of the 150,000 + 50 nanodollars that are not charged.
    assert billed.rated.total_nanos == billed.rated.fee_nanos == 15_005


def test_a_model_without_a_price_is_written_down_as_such() -> None:
    own = replace(TERMS, model=None, per_run_nanos=5)

    billed = bill([call(own, input_tokens=7)], own=own, agent="a")

    assert [(line.unit, line.billable, line.reason) for line in billed.lines] == [
        ("input", False, "unpriced"),
        ("run", True, ""),
    ]


def test_the_platform_bears_what_was_told_and_shares_follow_what_was_reserved() -> None:
    own = replace(TERMS, markup_bps=10_000, fee_bps=10_000, output_pico=1_000_000)
    excessive = call(own, paid=Usage(output_tokens=10, source="estimated"), output_tokens=1_000)

    billed = bill([excessive], own=own, agent="a", runs=0)

    # Cost: 1,000 at 600,000 pico. Shares: of 10 of them, 6,000 nanodollars; the own price of 10 tokens is 10,000.
    assert billed.rated.cost_nanos == 600_000
    assert billed.rated.markup_nanos == 6_000 + 10_000
    assert billed.rated.fee_nanos == 6_000 + 16_000


def test_on_the_owners_credential_nothing_beyond_what_was_reserved_is_paid() -> None:
    own = replace(TERMS, platform_credential=False)
    excessive = call(own, paid=Usage(output_tokens=10, source="estimated"), output_tokens=1_000)

    billed = bill([excessive], own=own, agent="a", runs=0)

    assert (billed.rated.cost_nanos, billed.lines[0].quantity, billed.lines[0].source) == (6_000, 10, "estimated")


def test_no_part_of_a_bill_is_more_than_the_books_can_hold() -> None:
    own = replace(TERMS, markup_bps=10_000, fee_bps=10_000)
    dear = replace(own, model=ModelPrice(tiers=(UnitPrices(output=10**10),)))

    billed = bill(
        [call(dear, output_tokens=10**7)] * 1_000, own=own, agent="a", tools=[ToolPrice(tool="t", nanos=2**80)]
    )

    assert {explained(billed, part) for part in ("cost", "markup", "fee")} == {MOST_BILLED_NANOS}
    assert all(line.amount_pico < 2**63 and line.quantity < 2**63 for line in billed.lines)


def test_attempts_without_end_fit_into_the_books() -> None:
    dear = replace(TERMS, model=ModelPrice(tiers=(UnitPrices(output=10**10),)))

    billed = bill([call(dear, output_tokens=10**7, delivered=False)] * 1_000, own=dear, agent="a")

    assert all(line.amount_pico < 2**63 for line in billed.lines)
    assert billed.rated.total_nanos == 0


@given(
    calls=st.lists(st.tuples(all_terms, usages, st.booleans(), st.none() | usages), max_size=4),
    own=all_terms,
    priced=tools,
    runs=st.integers(0, 2),
)
def test_lines_add_up_to_what_is_charged(
    calls: list[tuple[PriceTerms, Usage, bool, Usage | None]], own: PriceTerms, priced: list[ToolPrice], runs: int
) -> None:
    made = [
        PricedCall(record=record(usage, delivered=delivered), terms=terms, paid=paid)
        for terms, usage, delivered, paid in calls
    ]

    billed = bill(made, own=own, agent="a", tools=priced, runs=runs)

    assert explained(billed, "cost") == billed.rated.cost_nanos
    assert explained(billed, "markup") == billed.rated.markup_nanos
    assert explained(billed, "fee") == billed.rated.fee_nanos
    for line in billed.lines:
        assert line.quantity > 0
        assert line.unit == "basis_points" or line.amount_pico == line.quantity * line.price_pico


@given(own=all_terms, calls=st.lists(usages, max_size=4), priced=tools, runs=st.integers(0, 2))
def test_payer_owes_exactly_what_creator_and_platform_get_and_the_platform_gets_its_cost(
    own: PriceTerms, calls: list[Usage], priced: list[ToolPrice], runs: int
) -> None:
    own = replace(own, platform_credential=True, owner_is_payer=False)
    made = [PricedCall(record=record(usage), terms=own) for usage in calls]

    billed = bill(made, own=own, agent="a", tools=priced, runs=runs)

    rated = billed.rated
    exact = sum(line.amount_pico for line in billed.lines if line.part == "cost")
    creator, platform = rated.markup_nanos, rated.cost_nanos + rated.fee_nanos
    assert creator + platform == rated.total_nanos
    assert min(creator, platform) >= 0
    assert platform * 1_000 >= exact or rated.cost_nanos == MOST_BILLED_NANOS
    assert rated.cost_nanos * 1_000 - exact < 1_000


@given(own=all_terms, counts=st.lists(tokens, min_size=2, max_size=6), bps=shares)
def test_more_is_never_cheaper(own: PriceTerms, counts: list[int], bps: int) -> None:
    own = replace(own, fee_bps=bps)
    if own.model is not None:
        first = own.model.tiers[0]
        later = replace(first, context_from=200_000, input=first.input * 2, output=first.output * 2)
        own = replace(own, model=ModelPrice(tiers=(first, later)))

    totals = [bill([call(own, input_tokens=n, output_tokens=n)], own=own, agent="a").rated for n in sorted(counts)]

    for fewer, more in pairwise(totals):
        assert fewer.total_nanos <= more.total_nanos


@pytest.mark.parametrize("runs", [0, 1])
def test_nothing_used_is_the_price_of_the_run(runs: int) -> None:
    own = replace(TERMS, per_run_nanos=9)

    assert bill([], own=own, agent="a", runs=runs).rated.total_nanos == 9 * runs
