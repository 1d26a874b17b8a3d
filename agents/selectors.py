"""Reading agents: who is reached at an address, what may be listed, what ran."""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError, connections
from django.db.models import QuerySet

from agents.cache import Cache
from agents.errors import AgentNotFound, AgentsUnavailable
from agents.models import Agent, Run
from billing.pricing import AgentPrice
from tenants import notify
from tenants.caller import Caller
from tenants.context import alias, organization_context
from tenants.limits import AGENT, Limits, Rules
from tenants.threads import answered

POINTER_SECONDS = 30.0
ABSENT_SECONDS = 5.0
LISTED_AT_MOST = 1000
_SEGMENT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

_Place = tuple[UUID | None, str, str]


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What is published at an address: everything that may be known without looking inside the agent."""

    agent_id: UUID
    organization_id: UUID
    organization_slug: str
    slug: str
    name: str
    description: str
    is_public: bool
    version_id: UUID
    number: int
    published_at: datetime
    model: str
    keeps_content: bool
    price: AgentPrice
    limits: Limits | None = None
    """Of all its callers together, if there are any."""

    def address_for(self, organization_id: UUID | None) -> str:
        """The agent's name as that organization, or a stranger, writes it."""
        return self.slug if organization_id == self.organization_id else f"{self.organization_slug}/{self.slug}"


_found: Cache[_Place, Resolved] = Cache(size=10_000, ttl_s=POINTER_SECONDS)
_absent: Cache[_Place, bool] = Cache(size=10_000, ttl_s=ABSENT_SECONDS)


async def published(caller: Caller, address: str) -> Resolved:
    """The agent at `slug` (the caller's own) or `organization/slug`. AgentNotFound for whatever it may not reach."""
    organization_slug, slash, slug = address.rpartition("/")
    found = await _at((caller.organization_id, organization_slug if slash else caller.organization_slug, slug))
    if caller.allowed_agents is not None and found.agent_id not in caller.allowed_agents:
        raise AgentNotFound
    return found


async def public_agent(organization_slug: str, slug: str) -> Resolved:
    """The public agent at an address, for whoever asks. AgentNotFound for every other."""
    return await _at((None, organization_slug, slug))


async def listed_for(caller: Caller) -> list[Resolved]:
    """The agents that the caller may call: its own first, then public ones, each by address."""
    with organization_context(caller.organization_id):
        rows = await _in_thread("SELECT * FROM agents_published_for(%s)", [LISTED_AT_MOST])
    return [agent for agent in rows if caller.allowed_agents is None or agent.agent_id in caller.allowed_agents]


async def listed_publicly() -> list[Resolved]:
    """The public agents of everyone, by address."""
    return await _as_nobody("SELECT * FROM agents_published_for(%s)", [LISTED_AT_MOST])


def remembered() -> int:
    """How many addresses are known without asking the database."""
    return len(_found)


def slugs_of(ids: Collection[UUID] | None) -> Mapping[str, str]:
    """The slugs of the current organization's agents, by their ids: of these, or of all."""
    agents = Agent.objects.all() if ids is None else Agent.objects.filter(id__in=ids)
    return {str(id): slug for id, slug in agents.order_by("slug").values_list("id", "slug")}


def runs_paid() -> QuerySet[Run]:
    """The runs that the current organization called, latest first."""
    return Run.objects.all()


def runs_served() -> QuerySet[Run]:
    """The runs of the current organization's agents, whoever called, without what is the caller's own business."""
    return Run.served.defer("key_id", "request_id", "retry_of", "trace_id", "payment_token", "payer_id")


async def _at(place: _Place) -> Resolved:
    if not (_SEGMENT.fullmatch(place[1]) and _SEGMENT.fullmatch(place[2])) or _absent.peek(place):
        raise AgentNotFound
    since = _absent.drops
    try:
        return await _found.get(place, lambda: _look_up(place))
    except AgentNotFound:
        _absent.keep(place, True, since=since)
        raise


async def _look_up(place: _Place) -> Resolved:
    notify.start_listener()
    organization_id, organization_slug, slug = place
    statement, values = "SELECT * FROM agents_published_at(%s, %s)", [organization_slug, slug]
    if organization_id is None:
        rows = await _as_nobody(statement, values)
    else:
        with organization_context(organization_id):
            rows = await _in_thread(statement, values)
    if not rows:
        raise AgentNotFound
    return rows[0]


async def _as_nobody(statement: str, values: Sequence[Any]) -> list[Resolved]:
    """Ask outside of every organization, whichever the question comes from: what is answered is kept for strangers."""
    return await asyncio.create_task(_in_thread(statement, values), context=Context())


async def _in_thread(statement: str, values: Sequence[Any]) -> list[Resolved]:
    try:
        return await answered(_rows, statement, values)
    except OperationalError as error:
        raise AgentsUnavailable from error


def _rows(statement: str, values: Sequence[Any]) -> list[Resolved]:
    with connections[alias()].cursor() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description]
        return [_resolved(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _resolved(row: dict[str, Any]) -> Resolved:
    price = AgentPrice(
        per_run_nanos=row.pop("price_per_run_nanos"),
        markup_bps=row.pop("markup_bps"),
        input_pico=row.pop("input_price_pico"),
        output_pico=row.pop("output_price_pico"),
    )
    rules = Rules.told(row.pop("limits"))
    return Resolved(price=price, limits=rules.said_of(AGENT, str(row["agent_id"])), **row)


def _agent_changed(agent_id: str | None) -> None:
    _absent.drop()
    _found.drop(None if agent_id is None else lambda _, found: str(found.agent_id) == agent_id)


def _organization_changed(organization_id: str | None) -> None:
    _absent.drop()
    _found.drop(None if organization_id is None else lambda _, found: str(found.organization_id) == organization_id)


notify.subscribe("agent", _agent_changed)
notify.subscribe("organization", _organization_changed)
