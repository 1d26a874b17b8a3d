"""What the outside may know of an agent: what it can do, with what, and at which price."""

from dataclasses import dataclass

from agents import loader, selectors
from agents.runtime.scopes import allows
from agents.selectors import Resolved
from agents.services.scopes import scope_of
from agents.slugs import RESERVED
from billing.pricing import AgentPrice
from tenants.caller import Caller

AGENT_SECONDS = loader.AGENT_SECONDS
"""How long an agent that was loaded is kept."""
NO_AGENTS = RESERVED
"""First segments of paths at which there is never an agent."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """One agent, as this caller, or a stranger, may see it."""

    agent: Resolved
    skills: tuple[str, ...]
    tools: tuple[str, ...]
    handlers: tuple[str, ...]
    price: AgentPrice


def agents_loaded() -> int:
    """How many agents are loaded in this process and ready to run."""
    return loader.loaded()


def agents_found() -> int:
    """Of how many addresses this process knows by heart which agent is there."""
    return selectors.remembered()


async def description_of(agent: Resolved, *, caller: Caller | None) -> Description:
    """The agent with those of its tools and HTTP handlers that the caller's scope allows."""
    scope = scope_of(caller, agent)
    loaded = await loader.load(agent)
    return Description(
        agent=agent,
        skills=tuple(sorted(loaded.skills)),
        tools=tuple(sorted(name for name, tool in loaded.tools.items() if allows(scope, tool.scope))),
        handlers=tuple(
            sorted(
                f"{handler.spec.method} {handler.spec.subpath}"
                for handler in loaded.http_handlers
                if allows(scope, handler.scope)
            )
        ),
        price=agent.price,
    )
