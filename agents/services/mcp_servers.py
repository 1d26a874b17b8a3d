"""MCP servers of the current organization: looked at, approved, and handed to the agents that use them."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec
from asgiref.sync import async_to_sync
from django.conf import settings
from django.utils import timezone

import outbound
from agents.adapters.secrets import OwnersSecrets
from agents.errors import AgentMisconfigured, MCPServerNotFound, WrongMCPServer
from agents.models import MCPServer
from agents.models.mcp_server import MCPState, MCPTransport
from skills.sdk import SkillError, ToolFailed
from skills.sdk.served import Definition, ToolServer
from tenants import audit, notify
from tenants.context import atomic, organization_context, platform_context

LOOK_S: Final = 20.0
LOOKED_AT_ONCE: Final = 100
LOOK_FOR_S: Final = 240.0
"""Less than a task may last."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A tool as it was approved and as it was seen last; either may be missing."""

    name: str
    approved: Definition | None
    seen: Definition | None

    @property
    def state(self) -> str:
        """How it stands: new, changed, gone or same."""
        if self.approved is None:
            return "new"
        if self.seen is None:
            return "gone"
        return "same" if self.approved.digest == self.seen.digest else "changed"


def served(names: Sequence[str]) -> Sequence[ToolServer]:
    """The servers by these names, as an agent of the current organization uses them. Raises AgentMisconfigured."""
    rows = {row.name: row for row in MCPServer.objects.filter(name__in=names)}
    if missing := [name for name in names if name not in rows]:
        raise AgentMisconfigured(f"The organization has no MCP server called {missing[0]!r}.")
    return tuple(_server(rows[name]) for name in names if rows[name].enabled)


def check(server: MCPServer) -> None:
    """Raise WrongMCPServer for one that cannot be: nobody but the operator says what is started here."""
    if server.transport == MCPTransport.OPERATOR:
        known = settings.ROBUTLER.mcp_commands
        if server.url:
            raise WrongMCPServer("url", "A server that the operator runs has no address.")
        if server.name not in known:
            named = ", ".join(sorted(known)) or "none"
            raise WrongMCPServer("name", f"This platform's operator runs no server by this name. There are: {named}.")
        return
    try:
        outbound.check_url(server.url)
    except outbound.OutboundError as error:
        raise WrongMCPServer("url", str(error)) from None


def save(server: MCPServer) -> None:
    """Keep a server that was checked. One that is somewhere else than before has to be approved anew."""
    with atomic():
        before = MCPServer.objects.filter(pk=server.pk).first()
        if before is not None and (before.url, before.transport) != (server.url, server.transport):
            server.approved, server.seen, server.state = [], [], MCPState.NEW
        server.save()
        audit.record(
            action="mcp_server.saved", object=server, organization_id=server.organization_id,
            detail={"url": server.url, "transport": server.transport, "enabled": server.enabled},
        )  # fmt: skip
        changed(server)


def remove(server: MCPServer) -> None:
    """Forget a server; agents that name it cannot be loaded any more."""
    with atomic():
        audit.record(action="mcp_server.removed", object=server, organization_id=server.organization_id)
        changed(server)
        server.delete()


def compared(server: MCPServer) -> Sequence[Compared]:
    """Each tool of a server, as it was approved and as it is."""
    approved, seen = _by_name(server.approved), _by_name(server.seen)
    return [
        Compared(name=name, approved=approved.get(name), seen=seen.get(name)) for name in sorted({*approved, *seen})
    ]


def look(server_id: UUID) -> MCPServer:
    """Ask a server what it offers, and note it down. Raises MCPServerNotFound."""
    server = _found(server_id)
    try:
        definitions = async_to_sync(_definitions)(_server(server), server.organization_id)
    except SkillError as error:
        return _note(server, state=MCPState.FAILING, error=str(error)[:500])
    server.seen = [msgspec.to_builtins(each) for each in definitions]
    is_as_approved = all(each.state in ("same", "new") for each in compared(server))
    state = MCPState.READY if server.approved and is_as_approved else MCPState.CHANGED
    return _note(server, state=state, error="", seen=server.seen)


def approve(server_id: UUID, names: Collection[str]) -> MCPServer:
    """Let agents use these tools as they were seen last, and no others. Raises MCPServerNotFound."""
    with atomic():
        server = _found(server_id)
        kept = [each for each in server.seen if each["name"] in names]
        state = server.state if server.state == MCPState.FAILING else MCPState.READY
        MCPServer.objects.filter(pk=server.pk).update(approved=kept, state=state)
        audit.record(
            action="mcp_server.approved", object=server, organization_id=server.organization_id,
            detail={"tools": [f"{each.name} {each.digest[:16]}" for each in _by_name(kept).values()]},
        )  # fmt: skip
        changed(server)
    server.refresh_from_db()
    return server


def changed(server: MCPServer) -> None:
    """Have every process load the organization's agents anew."""
    notify.publish("credential", str(server.organization_id))


def look_at_all() -> int:
    """Look at all servers that are in use; how many are not as approved."""
    with platform_context(reason="look at MCP servers"):
        in_use = MCPServer.objects.filter(enabled=True).exclude(approved=[]).order_by("checked_at")
        due = list(in_use.values_list("organization_id", "pk")[:LOOKED_AT_ONCE])
    wrong, until = 0, time.monotonic() + LOOK_FOR_S
    for organization_id, server_id in due:
        if time.monotonic() > until:
            break  # those that waited longest come first the next time
        with organization_context(organization_id):
            wrong += look(server_id).state != MCPState.READY
    return wrong


def _found(server_id: UUID) -> MCPServer:
    server = MCPServer.objects.filter(pk=server_id).first()
    if server is None:
        raise MCPServerNotFound
    return server


def _note(server: MCPServer, *, state: str, error: str, **seen: Any) -> MCPServer:
    before = server.state
    with atomic():
        MCPServer.objects.filter(pk=server.pk).update(state=state, error=error, checked_at=timezone.now(), **seen)
        if state not in (before, MCPState.READY):
            audit.record(
                action=f"mcp_server.{state}", object=server, organization_id=server.organization_id,
                detail={"error": error} if error else {},
            )  # fmt: skip
    server.refresh_from_db()
    return server


async def _definitions(server: ToolServer, organization_id: UUID) -> Sequence[Definition]:
    from skills.mcp.client import FAILURES, connected, definitions, first_of, words

    secret = None
    if server.credential is not None:
        secrets = OwnersSecrets(organization_id)
        secret = (await secrets.credential("mcp", reference=server.credential, base_url=server.url)).secret.reveal()
    try:
        async with asyncio.timeout(LOOK_S), connected(server, secret) as client:
            return await definitions(client)
    except TimeoutError:
        raise ToolFailed(f"It did not answer within {LOOK_S:g} seconds.") from None
    except BaseExceptionGroup as group:
        raise ToolFailed(words(first_of(group))) from None
    except FAILURES as error:
        raise ToolFailed(words(error)) from None


def _server(row: MCPServer) -> ToolServer:
    return ToolServer(
        name=row.name,
        transport=row.transport,  # type: ignore[arg-type]  # one of its choices
        url=row.url,
        command=tuple(settings.ROBUTLER.mcp_commands.get(row.name, ())),
        credential=str(row.credential_id) if row.credential_id else None,
        timeout_s=row.timeout_s,
        most_credits=str(row.most_credits),
        tools=tuple(_by_name(row.approved).values()),
    )


def _by_name(definitions: Sequence[Mapping[str, Any]]) -> dict[str, Definition]:
    return {each["name"]: msgspec.convert(each, Definition) for each in definitions}
