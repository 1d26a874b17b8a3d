"""The short JSON answers besides completions: models, agents, keys, and the platform itself."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import UUID

from agents.selectors import Resolved
from agents.services.descriptions import Description
from api.openai.amounts import dollars, per_million, percent
from billing.pricing import AgentPrice
from tenants.caller import Caller
from tenants.limits import NAMES


def model(agent: Resolved, *, for_organization: UUID) -> dict[str, Any]:
    """An agent as a model of OpenAI's."""
    return {
        "id": agent.address_for(for_organization),
        "object": "model",
        "created": int(agent.published_at.timestamp()),
        "owned_by": agent.organization_slug,
    }


def information(description: Description, *, address: str) -> dict[str, Any]:
    """An agent as it introduces itself."""
    agent = description.agent
    capabilities = [
        "chat",
        "streaming",
        *(["tools"] if description.tools else []),
        *(["http"] if description.handlers else []),
    ]
    return {
        "name": agent.name,
        "agent": agent.slug,
        "description": agent.description,
        "agent_data": {
            "name": agent.name,
            "capabilities": capabilities,
            "skills": list(description.skills),
            "tools": list(description.tools),
            "model": agent.model,
            "pricing": pricing(description.price),
        },
        "endpoints": {
            "control": f"/{address}",
            "info": f"/{address}/info",
            "chat": f"/{address}/chat/completions",
            **({"http": list(description.handlers)} if description.handlers else {}),
        },
    }


def pricing(price: AgentPrice) -> dict[str, Any]:
    """What the agent's owner asks for, in exact dollars; null where the model's own price holds."""
    return {
        "currency": "USD",
        "per_run": dollars(price.per_run_nanos),
        "markup_percent": percent(price.markup_bps),
        "per_million_input_tokens": _asked(price.input_pico),
        "per_million_output_tokens": _asked(price.output_pico),
    }


def key(caller: Caller) -> dict[str, Any]:
    """What a key may do."""
    return {
        "object": "key",
        "organization": caller.organization_slug,
        "permissions": sorted(caller.permissions),
        "test_mode": caller.test_mode,
        "allowed_agents": None if caller.allowed_agents is None else sorted(str(id) for id in caller.allowed_agents),
        "limits": {name: getattr(caller.limits.key, name) for name in NAMES},
    }


def platform(agents: Sequence[Resolved]) -> dict[str, Any]:
    """The platform's own introduction."""
    return {
        "message": "Robutler hosts agents behind an OpenAI-compatible API.",
        "version": release(),
        "agents": [agent.address_for(None) for agent in agents],
        "endpoints": {
            "chat": "/v1/chat/completions",
            "models": "/v1/models",
            "agents": "/v1/agents",
            "agent": "/{organization}/{agent}/chat/completions",
            "info": "/{organization}/{agent}/info",
            "live": "/live",
            "ready": "/ready",
            "health": "/health",
        },
    }


def release() -> str:
    """The installed version; a checkout that was never installed has none."""
    try:
        return version("robutler")
    except PackageNotFoundError:
        return "0.1.0"


def _asked(pico: int | None) -> str | None:
    return None if pico is None else per_million(pico)
