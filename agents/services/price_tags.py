"""What an agent costs, told without a run: its terms, and the bill of an example with who gets which part of it."""

from dataclasses import dataclass
from typing import Final

from agents import loader
from agents.adapters.secrets import OwnersSecrets
from agents.selectors import Resolved, published
from agents.services.run_terms import run_terms
from billing import pricing
from billing.pricing import Bill, PricedCall, PriceTerms
from skills.sdk import Usage, UsageRecord
from tenants.caller import Caller

INPUT_TOKENS: Final = 1_000
OUTPUT_TOKENS: Final = 500


@dataclass(frozen=True, kw_only=True)
class PriceTag:
    """The terms on which an agent is run for a caller, and what a run of one call comes to on them.

    What the example costs its caller is what the creator and the platform get together.
    """

    agent: Resolved
    address: str
    terms: PriceTerms
    example: Bill
    creator_nanos: int
    platform_nanos: int


async def price_tag(caller: Caller, address: str) -> PriceTag:
    """The price of an agent the caller may reach. Raises AgentNotFound, and PriceUnavailable where it would not run."""
    agent = await published(caller, address)
    secrets = OwnersSecrets(agent.organization_id)
    terms = (await run_terms(caller.organization_id, agent, await loader.load(agent), secrets)).own
    name = agent.address_for(caller.organization_id)
    used = UsageRecord(
        model=agent.model,
        usage=Usage(input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS),
        platform_credential=terms.platform_credential,
        agent_id=str(agent.agent_id),
    )
    example = pricing.bill([PricedCall(record=used, terms=terms)], own=terms, agent=name)
    # On the platform's credential the platform has paid the model, on the owner's own the creator has.
    creator = example.rated.markup_nanos + (0 if terms.platform_credential else example.rated.cost_nanos)
    return PriceTag(
        agent=agent,
        address=name,
        terms=terms,
        example=example,
        creator_nanos=creator,
        platform_nanos=example.rated.total_nanos - creator,
    )
