"""Answering HTTP requests under an agent's address by what its skills bring."""

import asyncio
from dataclasses import dataclass
from typing import Any

from agents import loader
from agents.adapters.http import SafeHttp
from agents.adapters.secrets import OwnersSecrets
from agents.adapters.storage import RowStorage
from agents.errors import AgentsError, Draining
from agents.runtime import http
from agents.runtime.scopes import allows
from agents.selectors import Resolved
from agents.services.running import running
from agents.services.scopes import run_caller, scope_of
from skills.sdk import AccessDenied, RunContext, RunTimedOut
from skills.sdk.ports import Absent, Ports
from tenants.caller import Caller
from tenants.errors import InvalidKey
from tenants.ids import uuid7


class NoHandler(AgentsError):
    """The agent answers nothing at this path."""


class MethodNotHandled(AgentsError):
    """The agent answers at this path, but by other methods."""

    def __init__(self, allowed: frozenset[str]) -> None:
        super().__init__("The agent does not answer this method here.")
        self.allowed = tuple(sorted(allowed))


class KeyRequired(InvalidKey):
    """The handler is not for everyone, and nobody said who asks."""


@dataclass(frozen=True, kw_only=True)
class HttpCall:
    """A request under an agent's address; `subpath` begins with a slash."""

    method: str
    subpath: str
    request_id: str
    query: str = ""
    body: bytes = b""


async def answer_http(agent: Resolved, *, caller: Caller | None, call: HttpCall) -> Any:
    """What the agent's handler returns. Raises NoHandler, MethodNotHandled, KeyRequired or AccessDenied instead."""
    if running().is_draining:
        raise Draining
    loaded = await loader.load(agent)
    found = http.find_handler(loaded, method=call.method, subpath=call.subpath)
    if found is None:
        if allowed := http.allowed_methods(loaded, call.subpath):
            raise MethodNotHandled(allowed)
        raise NoHandler("The agent answers nothing here.")
    scope = scope_of(caller, agent)
    if not allows(scope, found.handler.scope):
        if caller is None:
            raise KeyRequired
        raise AccessDenied("This address of the agent is for its owners.")
    ctx = RunContext(
        run_id=str(uuid7()),
        request_id=call.request_id,
        agent_id=loaded.id,
        agent_name=loaded.name,
        organization_id=loaded.organization_id,
        caller=run_caller(caller, scope=scope),
        ports=_ports(agent, caller),
    )
    limit = asyncio.timeout(loaded.limits.tool_seconds)
    try:
        async with limit:
            return await http.answer(found, ctx, query=call.query, body=call.body)
    except TimeoutError:
        if limit.expired():
            raise RunTimedOut(f"The agent did not answer within {loaded.limits.tool_seconds:g} seconds.") from None
        raise


def _ports(agent: Resolved, caller: Caller | None) -> Ports:
    """What a handler may ask of the platform: nothing that costs, and without a key nothing that is kept by caller."""
    storage: Any = Absent("storage")
    if caller is not None:
        storage = RowStorage(
            caller_id=caller.organization_id, agent_id=agent.agent_id, agent_organization_id=agent.organization_id
        )
    meter: Any = Absent("meter")
    return Ports(meter=meter, secrets=OwnersSecrets(agent.organization_id), storage=storage, http=SafeHttp())
