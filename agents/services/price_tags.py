"""What an agent costs, told without a run: its terms, and the bill of an example with who gets which part of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from asgiref.sync import async_to_sync

from agents import loader
from agents.adapters.secrets import OwnersSecrets
from agents.models import Agent
from agents.selectors import Resolved, published
from agents.services import publishing
from agents.services.run_terms import run_terms, terms_for_strangers
from agents.services.tool_prices import dearest_tool
from billing import pricing
from billing.pricing import AgentPrice, Bill, PricedCall, PriceTerms, ToolPrice
from skills.sdk import Usage, UsageRecord
from tenants.caller import Caller

INPUT_TOKENS: Final = 1_000
OUTPUT_TOKENS: Final = 500


@dataclass(frozen=True, kw_only=True)
class Example:
    """The bill of a run of one call, and who gets which part of what its caller pays."""

    bill: Bill
    creator_nanos: int
    platform_nanos: int


@dataclass(frozen=True, kw_only=True)
class PriceTag:
    """The terms on which an agent is run for a caller, and what a run of one call comes to on them.

    What the example costs its caller is what the creator and the platform get together.
    """

    agent: Resolved
    address: str
    terms: PriceTerms
    example: Example


async def price_tag(caller: Caller, address: str) -> PriceTag:
    """The price of an agent the caller may reach. Raises AgentNotFound, and PriceUnavailable where it would not run."""
    agent = await published(caller, address)
    secrets = OwnersSecrets(agent.organization_id)
    terms = (await run_terms(caller.organization_id, agent, await loader.load(agent), secrets)).own
    name = agent.address_for(caller.organization_id)
    return PriceTag(agent=agent, address=name, terms=terms, example=_example(agent.model, terms, name))


def example_of(draft: Agent) -> Example:
    """What a stranger's run of a draft would come to, with a call of its dearest tool if one has a price.

    Raises PriceUnavailable, ModelUnauthorized and AgentMisconfigured where such a run would not begin.
    """
    choices = publishing.skills_of(draft)
    chosen = {choice.skill: choice.options for choice in choices if choice.enabled}
    price = AgentPrice(
        per_run_nanos=draft.price_per_run_nanos,
        markup_bps=draft.markup_bps,
        input_pico=draft.input_price_pico,
        output_pico=draft.output_price_pico,
    )
    secrets = OwnersSecrets(draft.organization_id)
    terms = async_to_sync(terms_for_strangers)(loader.candidate(draft.model, chosen), price, secrets)
    tool = dearest_tool(choices, draft.tool_prices)
    tools = (ToolPrice(tool=tool.name, nanos=tool.nanos),) if tool and tool.nanos else ()
    return _example(draft.model, terms, draft.slug, tools)


def _example(model: str, terms: PriceTerms, address: str, tools: Sequence[ToolPrice] = ()) -> Example:
    used = UsageRecord(
        model=model,
        usage=Usage(input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS),
        platform_credential=terms.platform_credential,
        agent_id=address,
    )
    bill = pricing.bill([PricedCall(record=used, terms=terms)], own=terms, agent=address, tools=tools)
    # On the platform's credential the platform has paid the model, on the owner's own the creator has.
    creator = bill.rated.markup_nanos + (0 if terms.platform_credential else bill.rated.cost_nanos)
    return Example(bill=bill, creator_nanos=creator, platform_nanos=bill.rated.total_nanos - creator)
