"""The meter: what a run used, what that comes to, and money reserved before it is spent."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from agents.adapters.meter import RunMeter
from billing import ledger, pricing
from billing.errors import InsufficientFunds
from billing.pricing import AgentPrice, ModelPrice, PriceTerms, UnitPrices
from skills.sdk import BudgetExhausted, Usage, UsageRecord
from tenants.ids import uuid7
from tenants.models import Organization
from tests.agents.cast import balance, funded

NANO = 1_000
"""Picodollars in a nanodollar."""


def terms(**fields: Any) -> PriceTerms:
    known = {"model": None, "output_pico": 10 * NANO, "platform_credential": True, "owner_is_payer": False, **fields}
    return PriceTerms(**known)


def meter_of(hold_id: UUID | None = None, **fields: Any) -> RunMeter:
    options = {name: fields.pop(name) for name in ("charged", "choices") if name in fields}
    return RunMeter(hold_id=hold_id or uuid7(), terms=terms(**fields), model="scripted/x", agent_id="a", **options)


async def held(organization: Organization, amount: int, **fields: Any) -> RunMeter:
    """A meter with a hold of so much on the organization's wallet."""
    meter = meter_of(**fields)
    await ledger.hold(
        id=meter.hold_id, payer=organization.id, run_id=meter.hold_id, amount_nanos=amount, reference="test",
        price=meter.terms, beneficiary=None,
    )  # fmt: skip
    meter.reserved_nanos = amount
    return meter


async def calling(meter: RunMeter, *, max_output_tokens: int = 1_000) -> RunMeter:
    """The meter with a model call paid for."""
    reserved, meter.reserved_nanos = meter.reserved_nanos, 10**15
    await meter.reserve_turn(input_bytes=1_000, max_output_tokens=max_output_tokens)
    meter.reserved_nanos = reserved
    return meter


def used(input_tokens: int, output_tokens: int, *, delivered: bool = True) -> UsageRecord:
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    return UsageRecord(model="scripted/x", usage=usage, platform_credential=True, agent_id="a", delivered=delivered)


def test_an_agent_price_that_says_nothing_is_not_explicit() -> None:
    assert not AgentPrice().explicit


def test_where_output_costs_there_is_always_a_limit() -> None:
    dear = ModelPrice(tiers=(UnitPrices(output=5),))

    assert meter_of().limit(None) == 2048
    assert meter_of(output_pico=0, model=dear).limit(None) == 2048
    assert meter_of().limit(7) == 7
    assert meter_of(output_pico=0).limit(None) is None
    assert meter_of(charged=False).limit(None) is None


async def test_a_turn_within_the_hold_asks_nobody(acme: Organization) -> None:
    meter = meter_of()
    meter.reserved_nanos = 1_000_000

    budget = await meter.reserve_turn(input_bytes=100, max_output_tokens=500)

    assert budget.max_output_tokens == 500


async def test_a_turn_beyond_the_hold_extends_it(acme: Organization) -> None:
    await funded(acme, 100_000)
    meter = await held(acme, 1_000)

    budget = await meter.reserve_turn(input_bytes=100, max_output_tokens=500)

    assert budget.max_output_tokens == 500
    assert meter.reserved_nanos == 5_000
    assert (await balance(acme)).held == 5_000


async def test_a_turn_that_is_not_affordable_is_cut_short(acme: Organization) -> None:
    await funded(acme, 3_000)
    meter = await held(acme, 1_000)

    budget = await meter.reserve_turn(input_bytes=100, max_output_tokens=500)

    assert budget.max_output_tokens == 300
    assert (await balance(acme)).available == 0


async def test_with_next_to_nothing_left_a_turn_is_refused(acme: Organization) -> None:
    await funded(acme, 630)
    meter = await held(acme, 10)

    with pytest.raises(BudgetExhausted):
        await meter.reserve_turn(input_bytes=100, max_output_tokens=500)

    assert (await balance(acme)).held == 10


async def test_earlier_turns_count_in_what_is_needed(acme: Organization) -> None:
    meter = await calling(meter_of(per_run_nanos=7))
    meter.record(used(10, 100))

    assert meter.needed(input_bytes=0, max_output_tokens=50) == 7 + 1_000 + 500


async def test_several_replies_need_several_times_as_much() -> None:
    assert meter_of(choices=3).needed(input_bytes=0, max_output_tokens=50) == 1_500


async def test_the_call_in_progress_is_counted_by_its_bytes() -> None:
    meter = await calling(meter_of())

    meter.produced(41, model="scripted/x")

    assert meter.used.has_output
    assert meter.used.usage.output_tokens == 11
    assert meter.used.usage.source == "counted"
    assert meter.accrued().total_nanos == 110


async def test_what_is_recorded_replaces_what_was_counted() -> None:
    meter = await calling(meter_of())

    meter.produced(4_000, model="scripted/x")
    meter.record(used(5, 3))

    assert meter.used.usage == Usage(input_tokens=5, output_tokens=3)
    assert meter.rated(runs=1).total_nanos == 30


def test_an_attempt_that_delivered_nothing_costs_nothing() -> None:
    meter = meter_of()

    meter.record(used(1_000, 1_000, delivered=False))

    assert not meter.used.delivered
    assert not meter.used.has_output
    assert meter.used.usage == Usage()
    assert meter.rated(runs=0).total_nanos == 0


async def test_what_a_model_claims_beyond_its_limit_earns_nothing() -> None:
    meter = await calling(meter_of(choices=2), max_output_tokens=50)

    meter.record(used(5, 1_000_000))
    await calling(meter, max_output_tokens=10)
    meter.produced(1_000_000, model="scripted/x")

    assert meter.rated(runs=1).total_nanos == 10 * (2 * 50 + 2 * 10)


@pytest.mark.parametrize("is_platforms", [True, False])
async def test_only_the_platforms_own_cost_counts_in_full(is_platforms: bool) -> None:
    model = ModelPrice(tiers=(UnitPrices(output=1 * NANO),))
    meter = await calling(
        meter_of(model=model, markup_bps=5_000, platform_credential=is_platforms), max_output_tokens=100
    )

    meter.record(used(5, 1_000))

    rated = meter.rated(runs=1)
    assert rated.cost_nanos == (1_000 if is_platforms else 100)
    assert rated.markup_nanos == 50 + 100 * 10
    assert meter.used.usage.output_tokens == (1_000 if is_platforms else 100)
    assert meter.used.usage.source == ("provider" if is_platforms else "estimated")


def test_the_price_of_a_run_is_not_owed_before_it_is_served() -> None:
    meter = meter_of(per_run_nanos=1_000_000)

    assert meter.accrued().total_nanos == 0
    assert meter.rated(runs=1).total_nanos == 1_000_000


def test_nothing_is_charged_for_a_test() -> None:
    meter = meter_of(charged=False, per_run_nanos=1_000)

    meter.record(used(5, 1_000))

    assert meter.rated(runs=1).total_nanos == 0
    assert meter.needed(input_bytes=9, max_output_tokens=9) == 0
    assert meter.used.usage.output_tokens == 1_000


async def test_a_priced_tool_is_reserved_charged_and_given_back(acme: Organization) -> None:
    await funded(acme, 5_000_000_000)
    meter = await held(acme, 1)

    await meter.reserve_tool(call_id="one", tool="t", credits=Decimal(2))
    await meter.reserve_tool(call_id="two", tool="t", credits=Decimal("1.5"))
    reserved = meter.reserved_nanos
    meter.charge_tool(call_id="one", tool="t", credits=Decimal("0.25"), reason="")
    meter.release_tool(call_id="two")

    assert reserved == 3_500_000_000
    assert meter.rated(runs=0).total_nanos == 250_000_000
    await meter.reserve_tool(call_id="three", tool="t", credits=Decimal(3))
    assert meter.reserved_nanos == 3_500_000_000


async def test_a_tool_is_charged_at_most_what_was_reserved(acme: Organization) -> None:
    await funded(acme, 5_000_000_000)
    meter = await held(acme, 1)
    await meter.reserve_tool(call_id="one", tool="t", credits=Decimal(1))

    meter.charge_tool(call_id="one", tool="t", credits=Decimal(99), reason="")
    meter.charge_tool(call_id="never reserved", tool="t", credits=Decimal(99), reason="")

    assert meter.rated(runs=0).total_nanos == 1_000_000_000


async def test_a_tool_that_cannot_be_paid_does_not_run(acme: Organization) -> None:
    await funded(acme, 1_000)
    meter = await held(acme, 1)

    with pytest.raises(BudgetExhausted) as refused:
        await meter.reserve_tool(call_id="one", tool="t", credits=Decimal(1))

    assert isinstance(refused.value.__cause__, InsufficientFunds)
    await meter.reserve_tool(call_id="two", tool="t", credits=Decimal("0.0000001"))
    assert meter.reserved_nanos == 100


async def test_of_every_kind_no_more_counts_than_was_reserved() -> None:
    meter = await calling(meter_of(platform_credential=False), max_output_tokens=100)
    counts = {name: 10**6 for name in Usage.__struct_fields__ if name.endswith("_tokens") and "prediction" not in name}

    meter.record(
        UsageRecord(model="scripted/x", usage=Usage(**counts), platform_credential=False, agent_id="a")  # type: ignore[arg-type]
    )

    read = pricing.input_tokens_bound(1_000)
    assert {getattr(meter.used.usage, name) for name in counts if "output" in name or "reasoning" in name} == {100}
    assert {getattr(meter.used.usage, name) for name in counts if "input" in name or "cache" in name} == {read}


def standing_in(**fields: Any) -> RunMeter:
    """A meter whose own model costs 10 a token, and the one that stands in 30."""
    own, other = (
        terms(model=ModelPrice(tiers=(UnitPrices(output=price * NANO),)), output_pico=0, **fields) for price in (10, 30)
    )
    return RunMeter(hold_id=uuid7(), terms=own, model="scripted/x", agent_id="a", fallback_terms={"scripted/y": other})


async def test_of_several_models_the_dearest_is_reserved_for() -> None:
    assert standing_in(per_run_nanos=7).needed(input_bytes=0, max_output_tokens=50) == 7 + 1_500


async def test_each_call_is_charged_at_the_price_of_the_model_that_answered() -> None:
    meter = await calling(standing_in(per_run_nanos=7))

    meter.record(used(5, 10))
    meter.record(msgspec.structs.replace(used(5, 100, delivered=False), model="scripted/y"))
    meter.record(msgspec.structs.replace(used(5, 20), model="scripted/y"))

    assert meter.rated(runs=1).total_nanos == 7 + 10 * 10 + 20 * 30
    assert meter.used.usage.output_tokens == 30


async def test_what_is_being_produced_counts_at_the_price_of_who_produces_it() -> None:
    meter = await calling(standing_in())

    meter.produced(40, model="scripted/y")

    assert meter.accrued().total_nanos == 10 * 30


async def test_with_little_left_the_dearest_model_says_how_much_may_be_written() -> None:
    meter = standing_in()

    assert meter.affordable(budget_nanos=3_000, input_bytes=0) == 100
    assert meter.affordable(budget_nanos=1_000, input_bytes=0) is None
