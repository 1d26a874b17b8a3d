"""Prices: what a run may cost, what it did cost, and on which terms.

Prices are picodollars per unit, amounts nanodollars, shares basis points; all of them are whole numbers.
"""

from billing.bills import Bill, PricedCall, ToolPrice, bill, rate
from billing.errors import PriceUnavailable
from billing.estimates import DEFAULT_OUTPUT_TOKENS, affordable_output_tokens, estimate, input_tokens_bound
from billing.lines import Line
from billing.price_table import table
from billing.rating import (
    BASIS_POINTS,
    MOST_PER_RUN_NANOS,
    AgentPrice,
    ModelPrice,
    PriceTerms,
    Rated,
    UnitPrices,
)
from billing.units import MOST_TOKEN_PICO, SMALL
from tenants.threads import answered

__all__ = [
    "BASIS_POINTS", "DEFAULT_OUTPUT_TOKENS", "FREE_PROVIDER", "MOST_PER_RUN_NANOS", "MOST_TOKEN_PICO", "AgentPrice",
    "Bill", "Line", "ModelPrice", "PriceTerms", "PricedCall", "Rated", "ToolPrice", "UnitPrices",
    "affordable_output_tokens", "bill", "estimate", "input_tokens_bound", "is_counted_by_the_million", "is_priced",
    "rate", "terms",
]  # fmt: skip

FREE_PROVIDER = "scripted"
"""Models of this provider come with the platform and cost nobody anything."""


def is_counted_by_the_million(unit: str) -> bool:
    """Whether people compare the price of a million of them: of tokens, characters and pixels."""
    return unit in SMALL


def is_priced(model: str) -> bool:
    """Whether the published prices name this model; one without needs a price of the agent's own."""
    return table.lookup(model)[1] is not None


async def terms(
    *, model: str, agent_price: AgentPrice, platform_credential: bool, owner_is_payer: bool, unpriced_allowed: bool
) -> PriceTerms:
    """Everything the price of a run depends on, as it stands now; the first look at a model reads the database.

    A model without a price is refused (PriceUnavailable), never taken for free: unless the agent names a price of its
    own and nobody's bill can come as a surprise, because the credential is the owner's, the model is scripted, or staff
    allowed unpriced models on the platform's credential.
    """
    found = table.remembered(model)
    if found is None:
        found = await answered(table.lookup, model)
    current, price = found
    if price is None and not (
        agent_price.explicit and (not platform_credential or unpriced_allowed or model.startswith(f"{FREE_PROVIDER}/"))
    ):
        raise PriceUnavailable(model)
    return PriceTerms(
        model=price,
        per_run_nanos=agent_price.per_run_nanos,
        markup_bps=agent_price.markup_bps,
        input_pico=agent_price.input_pico or 0,
        output_pico=agent_price.output_pico or 0,
        fee_bps=current.fee_bps,
        price_version_id=current.version_id,
        platform_credential=platform_credential,
        owner_is_payer=owner_is_payer,
    )
