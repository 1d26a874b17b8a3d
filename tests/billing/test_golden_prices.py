"""Bills to the nanodollar for what others have billed wrongly; the arithmetic stands beside each, for people to check.

Each case names the report it is taken from, with its own numbers where it has any. Prices are picodollars: a dollar per
million tokens is 1,000,000 picodollars a token, and 1,000 picodollars are a nanodollar.
"""

from typing import Any

from billing.bills import Bill, PricedCall, ToolPrice, bill
from billing.rating import ModelPrice, PriceTerms
from billing.tiers import Item, model_price
from skills.sdk.usage import Usage, UsageRecord


def model(*dearer: Item, **prices: int) -> ModelPrice:
    """A price by unit, and by items of service tiers and long calls."""
    found = model_price((*(Item(unit=unit, price_pico=price) for unit, price in prices.items()), *dearer))
    assert found is not None
    return found


def long(unit: str, price: int, *, above: int = 200_000) -> Item:
    return Item(unit=unit, context_from=above, price_pico=price)


def fast(unit: str, price: int, *, tier: str = "priority") -> Item:
    return Item(unit=unit, service_tier=tier, price_pico=price)


def terms(price: ModelPrice, **fields: Any) -> PriceTerms:
    return PriceTerms(model=price, **{"platform_credential": True, "owner_is_payer": False, **fields})


def call(own: PriceTerms, *, name: str = "vendor/model", delivered: bool = True, **usage: Any) -> PricedCall:
    record = UsageRecord(model=name, usage=Usage(**usage), platform_credential=True, agent_id="a", delivered=delivered)
    return PricedCall(record=record, terms=own)


def billed(own: PriceTerms, *calls: PricedCall, tools: tuple[ToolPrice, ...] = (), runs: int = 0) -> Bill:
    return bill(calls, own=own, agent="acme/greeter", tools=tools, runs=runs)


def cost(price: ModelPrice, **usage: Any) -> int:
    """What one call costs the platform, in nanodollars."""
    own = terms(price)
    return billed(own, call(own, **usage)).rated.cost_nanos


FLASH = model(input=500_000, cached_input=50_000, output=3_000_000)
GEMINI = model(
    long("input", 2_500_000), long("cached_input", 250_000), long("output", 15_000_000),
    input=1_250_000, cached_input=125_000, output=10_000_000,
)  # fmt: skip
OPUS = model(input=5_000_000, output=25_000_000, cached_input=500_000, cache_write=6_250_000, cache_write_1h=10_000_000)
FABLE = model(input=10_000_000, output=50_000_000)
SONNET = model(
    input=3_000_000, output=15_000_000, cached_input=300_000, cache_write=3_750_000, search=10_000_000_000
)  # fmt: skip
MINI = model(
    fast("input", 250_000), fast("output", 1_000_000), fast("input", 75_000, tier="flex"),
    fast("output", 300_000, tier="flex"), input=150_000, output=600_000,
)  # fmt: skip


def test_cached_input_is_not_charged_as_fresh_as_well() -> None:
    """earendil-works/pi#2148, BerriAI/litellm#6215, Aider-AI/aider#5516: cached tokens charged twice, $0.0137."""
    # fresh 20,212 - 16,298 = 3,914 at $0.50 = 1,957,000; cached 16,298 at $0.05 = 814,900; 931 at $3 = 2,793,000
    assert cost(FLASH, input_tokens=20_212, cached_input_tokens=16_298, output_tokens=931) == 5_564_900


def test_cached_input_of_a_long_call_has_the_price_of_long_calls() -> None:
    """BerriAI/litellm#14849: cache hits of a prompt above 200,000 tokens charged twice, $0.7642."""
    # fresh 5,005 at $2.50 = 12,512,500; cached 257,955 at $0.25 = 64,488,750; 1,744 at $15 = 26,160,000
    assert cost(GEMINI, input_tokens=262_960, cached_input_tokens=257_955, output_tokens=1_744) == 103_161_250


def test_a_call_above_the_threshold_is_dearer_as_a_whole() -> None:
    """NousResearch/hermes-agent#93678: 250,000 tokens at the price of short calls, half of what Google billed."""
    price = model(
        long("input", 4_000_000), long("output", 18_000_000), input=2_000_000, output=12_000_000
    )  # fmt: skip

    # 250,000 at $4 = 1,000,000,000, where 200,000 at $2 and 50,000 at $4 would be 600,000,000
    assert cost(price, input_tokens=250_000) == 1_000_000_000
    # exactly at the threshold it is a short call: 200,000 at $2
    assert cost(price, input_tokens=200_000) == 400_000_000


def test_a_threshold_of_272000_tokens_holds_for_input_cached_input_and_output() -> None:
    """BerriAI/litellm#11017: thresholds applied to input and output apart from each other, and not to the cache."""
    price = model(
        long("input", 2_500_000, above=272_000), long("cached_input", 250_000, above=272_000),
        long("output", 15_000_000, above=272_000), input=1_250_000, cached_input=125_000, output=10_000_000,
    )  # fmt: skip

    # 200,000 at $2.50 = 500,000,000; cached 100,000 at $0.25 = 25,000,000; 1,000 at $15 = 15,000,000
    assert cost(price, input_tokens=300_000, cached_input_tokens=100_000, output_tokens=1_000) == 540_000_000


def test_what_is_kept_for_an_hour_costs_more_than_what_is_kept_for_five_minutes() -> None:
    """earendil-works/pi#5738, can1357/oh-my-pi#6876, mozilla-ai/otari#357: all written at the price of five minutes."""
    # 600,000 for five minutes at $6.25 = 3,750,000,000; 400,000 for an hour at $10 = 4,000,000,000
    usage = {"input_tokens": 1_000_000, "cache_write_tokens": 1_000_000, "cache_write_1h_tokens": 400_000}

    assert cost(OPUS, **usage) == 7_750_000_000


def test_what_is_thought_is_part_of_the_output() -> None:
    """anomalyco/opencode#17566, theopenco/llmgateway#3435: thought charged twice, $1.04."""
    price = model(input=30_000_000, output=180_000_000)

    # 14,746 at $30 = 442,380,000; 1,944 at $180 = 349,920,000, of which 1,360 were thought
    assert cost(price, input_tokens=14_746, output_tokens=1_944, reasoning_tokens=1_360) == 792_300_000


def test_what_is_spoken_is_not_text() -> None:
    """BerriAI/litellm#19771: 482 audio tokens charged as text, $0.00592 in place of $0.03966."""
    price = model(input=2_500_000, output=10_000_000, input_audio=40_000_000, output_audio=80_000_000)

    # 17 at $2.50 = 42,500; text 592 - 482 = 110 at $10 = 1,100,000; sound 482 at $80 = 38,560,000
    assert cost(price, input_tokens=17, output_tokens=592, output_audio_tokens=482) == 39_702_500


def test_what_is_drawn_is_not_text() -> None:
    """BerriAI/litellm#17410, #31142: image tokens charged as text, a tenth of their price."""
    price = model(input=2_000_000, output=12_000_000, output_image=120_000_000)

    # 10 at $2 = 20,000; thought 225 at $12 = 2,700,000; drawn 1,120 at $120 = 134,400,000
    usage = {"input_tokens": 10, "output_tokens": 1_345, "reasoning_tokens": 225, "output_image_tokens": 1_120}
    assert cost(price, **usage) == 137_120_000


def test_searches_and_all_that_they_wrote_to_the_cache_are_charged() -> None:
    """BerriAI/litellm#42663: of 184,457 tokens written during five searches 31,490 were charged."""
    # fresh 734,311 - 426,653 - 184,457 = 123,201 at $3 = 369,603,000; read 426,653 at $0.30 = 127,995,900;
    # written 184,457 at $3.75 = 691,713,750; five searches at a cent = 50,000,000
    usage = {
        "input_tokens": 734_311, "cached_input_tokens": 426_653, "cache_write_tokens": 184_457, "search_requests": 5,
    }  # fmt: skip
    assert cost(SONNET, **usage) == 1_239_312_650


def test_a_service_tier_is_charged_as_it_was_served() -> None:
    """BerriAI/litellm#37046, #13810 and #31837: priority and flex charged as usual, and the usual as priority."""
    asked = {"input_tokens": 9, "output_tokens": 2}

    # 9 at $0.25 = 2,250; 2 at $1 = 2,000
    assert cost(MINI, service_tier="priority", **asked) == 4_250
    # 9 at $0.15 = 1,350; 2 at $0.60 = 1,200: what is served by default is, whatever was asked for
    assert cost(MINI, service_tier="", **asked) == 2_550
    # 9 at $0.075 = 675; 2 at $0.30 = 600
    assert cost(MINI, service_tier="flex", **asked) == 1_275


def test_each_call_of_a_run_has_the_price_of_the_model_that_answered() -> None:
    """BerriAI/litellm#39294, earendil-works/pi#8285: all attempts at the price of the model that was asked for."""
    fable, opus = terms(FABLE, markup_bps=1_000, fee_bps=500), terms(OPUS, markup_bps=1_000, fee_bps=500)

    run = billed(
        fable,
        call(fable, name="vendor/fable", input_tokens=412, output_tokens=0, delivered=False),
        call(opus, name="vendor/opus", input_tokens=412, output_tokens=264),
        call(fable, name="vendor/fable", input_tokens=100, output_tokens=10),
        tools=(ToolPrice(tool="look_up", nanos=1_000_000),),
    )

    # opus: 412 at $5 = 2,060,000; 264 at $25 = 6,600,000; fable: 100 at $10 = 1,000,000; 10 at $50 = 500,000
    assert run.rated.cost_nanos == 10_160_000
    # 10 % of it, and the tool
    assert run.rated.markup_nanos == 1_016_000 + 1_000_000
    # 5 % of 12,176,000
    assert run.rated.fee_nanos == 608_800
    assert [(line.sku, line.reason) for line in run.lines if not line.billable] == [("vendor/fable", "retry")]


def test_on_an_own_key_the_fee_is_owed_and_the_model_is_not() -> None:
    """CodebuffAI/freebuff#1164, RooCodeInc/Roo-Code#4543, tinyhumansai/openhuman#5016: own keys charged twice."""
    own = terms(FABLE, platform_credential=False, owner_is_payer=True, fee_bps=500)

    run = billed(own, call(own, input_tokens=100_000))

    # 100,000 at $10 are a dollar, which the provider asks of the owner; 5 % of it are the platform's
    assert (run.rated.cost_nanos, run.rated.markup_nanos, run.rated.fee_nanos) == (0, 0, 50_000_000)
    assert [(line.amount_pico, line.billable, line.reason) for line in run.lines if line.part == "cost"] == [
        (1_000_000_000_000, False, "own_credential")
    ]


def test_prices_that_no_float_can_add_up_are_added_up() -> None:
    """BerriAI/litellm#36926, #40572: counters of floats that drift."""
    price = model(input=37, output=1)

    # 1,000,003 at 37 picodollars = 37,000,111, and 7 = 37,000,118: 37,000.118 nanodollars, rounded up once
    assert cost(price, input_tokens=1_000_003, output_tokens=7) == 37_001
