"""GET /stats: how this process is set up and doing; the whole for the operator, its own part for an organization."""

from typing import Any

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from django.conf import settings

from agents.services.descriptions import AGENT_SECONDS, agents_found, agents_loaded
from api import health, performance
from api.auth import recognise_reader
from api.edge import Exchange, serve
from api.openai.shapes import release
from api.operators import is_operator
from tenants.caller import Caller
from tenants.limits import Limits, default_limits


async def stats(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer GET /stats."""
    await serve(Exchange(scope, receive, send), _stats, route="stats")


async def _stats(exchange: Exchange) -> None:
    if is_operator(exchange):
        await health.tell(exchange, 200, {**_everybodys(), "dynamic_agent_factory": _factory()})
        return
    await health.tell(exchange, 200, _of(await recognise_reader(exchange)))


def _everybodys() -> dict[str, Any]:
    return {
        "server_info": _server(),
        "performance": performance.everybody.figures(),
        "rate_limiting": {"default_limits": _limits(default_limits()), "custom_user_rules": {}},
    }


def _of(caller: Caller) -> dict[str, Any]:
    own = performance.of_organization(caller.organization_id)
    rules = {name or "*": _limits(limits) for name, limits in caller.limits.end_users.items()}
    return {
        "server_info": _server(),
        "performance": own.figures(),
        "rate_limiting": {"default_limits": _limits(caller.limits.key), "custom_user_rules": rules},
    }


def _limits(limits: Limits) -> dict[str, int | None]:
    return {
        "requests_per_minute": limits.requests_per_minute,
        "requests_per_hour": limits.requests_per_hour,
        "requests_per_day": limits.requests_per_day,
        "burst_limit": limits.requests_per_second,
        "tokens_per_minute": limits.tokens_per_minute,
    }


def _server() -> dict[str, Any]:
    return {
        "version": release(),
        "uptime_seconds": health.uptime_s(),
        "static_agents": 0,
        "dynamic_agents_enabled": True,
        "monitoring_enabled": True,
        "prometheus_enabled": True,
        "rate_limiting_enabled": True,
        "request_timeout": settings.ROBUTLER.run_seconds,
    }


def _factory() -> dict[str, Any]:
    return {
        "caching_enabled": True,
        "cache_ttl": AGENT_SECONDS,
        "agent_data_cache_size": agents_found(),
        "agent_instance_cache_size": agents_loaded(),
    }
