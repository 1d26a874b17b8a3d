"""Probes: whether this process is alive, whether it should be given work, and how its parts are."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

from agents import selectors
from agents.errors import AgentMisconfigured, AgentsUnavailable
from agents.selectors import Resolved
from agents.services.descriptions import agents_loaded, description_of
from api import components, drain
from api.auth import recognise_reader
from api.edge import Exchange, method_not_allowed, serve
from api.openai.shapes import release
from tenants.caller import Caller
from tenants.readiness import readiness

AGENTS_AT_MOST = 100
"""So many agents are looked at in detail."""

_started_at = time.monotonic()


async def live(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer GET /live: the process runs its loop. Asks nothing of the database."""
    await serve(Exchange(scope, receive, send), _live, route="live")


async def ready(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer GET /ready: not draining, the database answers, its migrations are applied."""
    await serve(Exchange(scope, receive, send), _ready, route="ready")


async def health(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer GET /health: this process is there, and which version it is. Asks nothing of the database."""
    await serve(Exchange(scope, receive, send), _health, route="health")


async def health_detailed(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer GET /health/detailed: the parts of the platform, and agents; with a key, its organization's as well."""
    await serve(Exchange(scope, receive, send), _health_detailed, route="health.detailed")


async def tell(exchange: Exchange, status: int, body: Mapping[str, Any]) -> None:
    """Answer a probe."""
    if exchange.scope["method"] not in ("GET", "HEAD"):
        raise method_not_allowed("GET", "HEAD")
    await exchange.answer(status, msgspec.json.encode(body), [(b"cache-control", b"no-store")])


def uptime_s() -> float:
    """How long this process has been up."""
    return round(time.monotonic() - _started_at, 3)


async def _live(exchange: Exchange) -> None:
    await tell(exchange, 200, {"status": "alive", "timestamp": _now(), "uptime_seconds": uptime_s()})


async def _ready(exchange: Exchange) -> None:
    reason = "the process is shutting down" if drain.is_draining() else await readiness()
    status, word = (200, "ready") if reason is None else (503, "not_ready")
    details = {"draining": drain.is_draining(), "reason": reason}
    await tell(exchange, status, {"status": word, "timestamp": _now(), "details": details})


async def _health(exchange: Exchange) -> None:
    await tell(exchange, 200, _healthy())


async def _health_detailed(exchange: Exchange) -> None:
    caller = await recognise_reader(exchange) if b"authorization" in exchange.headers else None
    parts = await components.states()
    body = {
        **_healthy(),
        "status": "degraded" if any(part["status"] == "degraded" for part in parts.values()) else "healthy",
        "agents": await _agents(caller) if parts["database"]["status"] == "healthy" else {},
        "components": parts,
        "dynamic_agent_factory": {"status": "healthy", "cache_size": agents_loaded()},
    }
    await tell(exchange, 200, body)


async def _agents(caller: Caller | None) -> dict[str, Any]:
    """The first of the public agents, or of the caller's own, by their names."""
    if caller is None:
        listed = await selectors.listed_publicly()
    else:
        listed = [
            agent for agent in await selectors.listed_for(caller) if agent.organization_id == caller.organization_id
        ]
    name_for = None if caller is None else caller.organization_id
    return {agent.address_for(name_for): await _state(agent, caller) for agent in listed[:AGENTS_AT_MOST]}


async def _state(agent: Resolved, caller: Caller | None) -> dict[str, Any]:
    try:
        description = await description_of(agent, caller=caller)
    except AgentMisconfigured:
        return {"status": "misconfigured", "skills": [], "tools": []}
    except AgentsUnavailable:
        return {"status": "unavailable", "skills": [], "tools": []}
    return {"status": "healthy", "skills": description.skills, "tools": description.tools}


def _healthy() -> dict[str, Any]:
    return {"status": "healthy", "version": release(), "timestamp": _now()}


def _now() -> str:
    return datetime.now(UTC).isoformat()
