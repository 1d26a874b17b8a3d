"""Properties of prices and amounts, at the size at which they are promised."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil
from random import Random
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from api.manage.amounts import DollarsField, NanosAskedField
from api.openai.amounts import per_million, usd
from billing.amounts import NANOS_PER_DOLLAR, PICOS_PER_DOLLAR_A_MILLION, dollars, plain
from billing.bills import PricedCall, bill
from billing.pricing import ModelPrice, PriceTerms, UnitPrices, affordable_output_tokens, estimate
from billing.rating import MOST_NANOS, quantities
from skills.sdk.usage import Usage
from tests.billing import money
from tests.billing.paper_holds import Hold, shares
from tests.billing.test_rating import record

TOKENS = ("input", "cached_input", "cache_write", "cache_write_1h", "input_audio", "input_image", "output", "reasoning",
          "output_audio", "output_image")  # fmt: skip
COUNTS = [f"{unit}_tokens" for unit in TOKENS]


def sizes(few: int, many: int) -> pytest.MarkDecorator:
    """As often as a run of all tests can bear, and as often as is promised."""
    long = pytest.param(many, marks=[pytest.mark.prove, pytest.mark.timeout(3600)])
    return pytest.mark.parametrize("times", [few, long])


def prices(dice: Random) -> UnitPrices:
    """Some of nothing, some of a fraction, some dear."""
    chosen: dict[str, Any] = {
        unit: dice.choice((0, 1, dice.randrange(10**6), dice.randrange(10**9))) for unit in TOKENS
    }
    return UnitPrices(**chosen)


def terms(dice: Random) -> PriceTerms:
    tier = prices(dice)
    later = replace(tier, context_from=1_000, input=tier.input * 2, output=tier.output * 3)
    return PriceTerms(
        model=ModelPrice(tiers=(tier, later) if dice.random() < 0.3 else (tier,), max_output_tokens=4_096),
        per_run_nanos=dice.choice((0, dice.randrange(10**6))), markup_bps=dice.choice((0, dice.randrange(20_000))),
        input_pico=dice.choice((0, dice.randrange(10**6))), output_pico=dice.choice((0, dice.randrange(10**6))),
        fee_bps=dice.choice((0, dice.randrange(20_000))), platform_credential=True, owner_is_payer=False,
    )  # fmt: skip


def usage(dice: Random) -> Usage:
    counts: dict[str, Any] = {name: dice.choice((0, dice.randrange(50), dice.randrange(5_000))) for name in COUNTS}
    return Usage(**counts)


@sizes(10_000, 1_000_000)
def test_pt1_pt2_pt3_a_price_is_exact_to_less_than_a_nanodollar_and_its_parts_are_all_of_it(times: int) -> None:
    dice = Random(times)
    for _ in range(times):
        own, used = terms(dice), usage(dice)

        rated = bill([PricedCall(record=record(used), terms=own)], own=own, agent="a").rated

        assert own.model is not None
        tier = own.model.tier(used.input_tokens)
        exact = Fraction(sum(n * getattr(tier, unit, 0) for unit, n in quantities(used).items()), 1_000)
        assert 0 <= rated.cost_nanos - exact < 1
        assert rated.fee_nanos == ceil(Fraction((rated.cost_nanos + rated.markup_nanos) * own.fee_bps, 10_000))
        run = Hold(id=uuid4(), payer=uuid4(), creator=uuid4(), platform=True, amount=1)
        creator, platform = shares(run, rated.cost_nanos, rated.markup_nanos, rated.fee_nanos, is_platform=True)
        assert creator + platform == rated.total_nanos
        assert creator >= 0
        assert platform >= rated.cost_nanos


@sizes(1_000, 100_000)
def test_pt4_what_is_affordable_fits_and_one_token_more_does_not(times: int) -> None:
    dice = Random(times)
    for _ in range(times):
        own, size = terms(dice), dice.randrange(10_000)
        budget = dice.choice((0, dice.randrange(10**6), dice.randrange(10**9)))

        most = affordable_output_tokens(own, budget_nanos=budget, input_bytes=size)

        if most:
            assert estimate(own, input_bytes=size, max_output_tokens=most) <= budget
        if most is not None and most < own.max_output_tokens:
            assert estimate(own, input_bytes=size, max_output_tokens=most + 1) > budget


@sizes(2_000, 200_000)
def test_pt5_more_is_never_cheaper_whatever_tier_it_reaches(times: int) -> None:
    dice = Random(times)
    for _ in range(times):
        own = terms(dice)
        counts = sorted(dice.randrange(3_000) for _ in range(4))
        totals = [
            bill([PricedCall(record=record(Usage(input_tokens=n, output_tokens=n)), terms=own)], own=own, agent="a")
            for n in counts
        ]

        assert all(fewer.rated.total_nanos <= more.rated.total_nanos for fewer, more in pairwise(totals))


@sizes(10_000, 500_000)
def test_pt6_amounts_come_back_as_they_went_whoever_writes_them(times: int, database_urls: dict[str, str]) -> None:
    dice = Random(times)
    amounts = [0, 1, 2**53 + 1, MOST_NANOS, *(dice.randrange(10 ** dice.randint(1, 18)) for _ in range(times))]

    with money.connect(database_urls["app"]) as database:
        cursor = psycopg.ClientCursor(database)
        cursor.execute(
            "SELECT u::bigint::text FROM unnest(%s::text[]) WITH ORDINALITY AS t (u, i) ORDER BY i",
            ([str(amount) for amount in amounts],),
        )
        assert [int(text) for (text,) in cursor.fetchall()] == amounts

    for nanos in amounts:
        assert Decimal(usd(nanos)) * NANOS_PER_DOLLAR == Decimal(plain(nanos)) * NANOS_PER_DOLLAR == nanos
        assert Decimal(dollars(nanos).removeprefix("$").replace(",", "")) * NANOS_PER_DOLLAR == nanos
        assert Decimal(per_million(nanos)) * PICOS_PER_DOLLAR_A_MILLION == nanos
        assert NanosAskedField(zero=True).to_internal_value(str(nanos)) == nanos
        if nanos < 10**18:
            assert DollarsField(zero=True).to_internal_value(usd(nanos)) == nanos
