"""GET /v1/agents: the agents that may be called, each as it introduces itself."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from agents import selectors
from agents.errors import AgentMisconfigured
from agents.selectors import Resolved
from agents.services.descriptions import Description, description_of
from api.openai import shapes
from api.openai.access import optional
from api.openai.queries import refuse_unknown
from tenants.caller import Caller

MOST_AT_ONCE = 100

router = Router(tags=["Agents"])


class AgentsAsked(Schema):
    """Which agents to list."""

    after: str | None = Field(None, max_length=160, description="The last agent of the page before.")
    limit: int = Field(20, ge=1, le=MOST_AT_ONCE)


class Pricing(Schema):
    """What the agent's owner asks for, in exact dollars; null where the model's own price holds."""

    currency: Literal["USD"]
    per_run: str
    markup_percent: str
    per_million_input_tokens: str | None
    per_million_output_tokens: str | None


class ListedAgent(Schema):
    """An agent that may be called: `id` is what to name as `model`."""

    id: str
    object: Literal["agent"] = "agent"
    name: str
    description: str
    owned_by: str
    public: bool
    available: bool = Field(description="False for one that its owner has to mend; no skills are told of it.")
    capabilities: list[str]
    skills: list[str]
    tools: list[str]
    model: str
    pricing: Pricing
    chat: str = Field(description="Where to send completions.")


class AgentList(Schema):
    """A page of agents, by their ids; the next one comes `after` its `last_id`."""

    object: Literal["list"] = "list"
    data: list[ListedAgent]
    has_more: bool
    first_id: str | None
    last_id: str | None


@router.get("/agents", response=AgentList, summary="List agents")
async def agents(request: HttpRequest, asked: Query[AgentsAsked]) -> AgentList:
    """The public agents, page by page; with a key, those that it may call."""
    refuse_unknown(request, AgentsAsked)
    caller = await optional(request)
    found = await selectors.listed_publicly() if caller is None else await selectors.listed_for(caller)
    here = None if caller is None else caller.organization_id
    by_id = {agent.address_for(here): agent for agent in found}
    rest = sorted(id for id in by_id if asked.after is None or id > asked.after)
    data = [await _card(id, by_id[id], caller) for id in rest[: asked.limit]]
    return AgentList(
        data=data,
        has_more=len(rest) > asked.limit,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
    )


async def _card(id: str, agent: Resolved, caller: Caller | None) -> ListedAgent:
    available = True
    try:
        description = await description_of(agent, caller=caller)
    except AgentMisconfigured:
        available = False
        description = Description(agent=agent, skills=(), tools=(), handlers=(), price=agent.price)
    introduced: dict[str, Any] = shapes.information(description, address=id)
    return ListedAgent(
        id=id,
        name=agent.name,
        description=agent.description,
        owned_by=agent.organization_slug,
        public=agent.is_public,
        available=available,
        chat=introduced["endpoints"]["chat"],
        **{name: introduced["agent_data"][name] for name in ("capabilities", "skills", "tools", "model", "pricing")},
    )
