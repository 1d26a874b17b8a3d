"""Tools of MCP servers that the agent's organization knows and has approved."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from skills.sdk import PricingInfo, RunContext, RunOutcome, ToolFailed, hook, tool
from skills.sdk.schema import GivenArguments
from skills.sdk.served import Definition, ServedSkill, ToolServer
from skills.sdk.specs import PricingSpec, Spec, ToolSpec

if TYPE_CHECKING:
    from skills.mcp.client import Session

LONGEST_NAME: Final = 64
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
METERING: Final = "_metering"


class McpSkill(ServedSkill):
    """Lets an agent use the tools of MCP servers, as far as a member has approved them."""

    name = "mcp"

    class Options(ServedSkill.Options):
        """Which servers."""

        servers: tuple[Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9-]+$")], ...] = Field(
            default=(), max_length=20, description="Names of MCP servers of your organization; none means none."
        )

    options: Options

    def members(self) -> Iterator[tuple[Callable[..., Any], tuple[Spec, ...]]]:
        """A tool for each that was approved, under its server's name."""
        yield from super().members()
        taken: set[str] = set()
        for server in self.served:
            for definition in server.tools:
                name = offered_name(server, definition)
                if name not in taken:  # long names may look the same once they are cut
                    taken.add(name)
                    yield self._tool(server, definition), self._specs(server, definition)

    @tool(idempotent=True)
    async def list_mcp_servers(self, ctx: RunContext) -> list[dict[str, Any]]:
        """Return the MCP servers that can be used here, and the names of their tools."""
        return [
            {"server": server.name, "tools": [offered_name(server, each) for each in server.tools]}
            for server in self.served
        ]

    @hook("finalize_connection", priority=90)
    async def hang_up(self, ctx: RunContext, outcome: RunOutcome) -> None:
        """Close what the run opened."""
        for session in ctx.data.pop(self.name, {}).values():
            await session.close()

    def _specs(self, server: ToolServer, definition: Definition) -> tuple[Spec, ...]:
        spec = ToolSpec(
            name=offered_name(server, definition),
            description=definition.description or definition.name,
            timeout_s=server.timeout_s,
            ingests_untrusted=True,
            egress=True,
        )
        most = Decimal(server.most_credits)
        return (
            (spec, PricingSpec(credits_per_call=most, reason=f"{server.name}: {definition.name}")) if most else (spec,)
        )

    def _tool(self, server: ToolServer, definition: Definition) -> Callable[..., Awaitable[Any]]:
        async def call(ctx: RunContext, arguments: Mapping[str, Any]) -> Any:
            return await self._called(ctx, server, definition, arguments)

        call.__robutler_arguments__ = GivenArguments({"type": "object", **definition.schema})  # type: ignore[attr-defined]  # as it is looked for
        call.__name__ = call.__qualname__ = offered_name(server, definition)
        return call

    async def _called(
        self, ctx: RunContext, server: ToolServer, definition: Definition, arguments: Mapping[str, Any]
    ) -> Any:
        from skills.mcp import client as mcp

        session = await self._session(ctx, server)
        connected = await session.client()
        await self._check(ctx, server, definition, session)
        result = await mcp.call(connected, definition.name, arguments, timeout_s=server.timeout_s)
        content = contents(result)
        if result.is_error:
            raise ToolFailed(f"{definition.name} failed: {as_words(content)[:4_000]}")
        most = Decimal(server.most_credits)
        return (content, metered(result, most)) if most else content

    async def _session(self, ctx: RunContext, server: ToolServer) -> "Session":
        from skills.mcp.client import Session

        opened: dict[str, Session] = ctx.data.setdefault(self.name, {})
        session = opened.get(server.name)
        if session is not None and session.is_lost:
            await session.close()
            session = None
        if session is None:
            secret = await self._secret(ctx, server)
            # Another call may have opened it while the secret was looked up.
            session = opened.get(server.name)
            if session is None or session.is_lost:
                session = opened[server.name] = Session(server, secret)
        return session

    async def _secret(self, ctx: RunContext, server: ToolServer) -> str | None:
        if server.credential is None:
            return None
        found = await ctx.ports.secrets.credential("mcp", reference=server.credential, base_url=server.url)
        return found.secret.reveal()

    async def _check(self, ctx: RunContext, server: ToolServer, definition: Definition, session: "Session") -> None:
        """A server that defines the tool otherwise than was approved is not called: what changed may be a trap."""
        now = await session.digests()
        if now.get(definition.name) != definition.digest:
            raise ToolFailed(
                f"{definition.name} of {server.name!r} is not what was approved any more. It cannot be used until a "
                "member of the organization has looked at it."
            )


def offered_name(server: ToolServer, definition: Definition) -> str:
    """The tool's name as a model has it: under its server's, in letters that every model takes."""
    return f"{_UNSAFE.sub('_', server.name)}__{_UNSAFE.sub('_', definition.name)}"[:LONGEST_NAME]


def contents(result: Any) -> Any:
    """What a result says, in parts that a model reads."""
    parts: list[dict[str, Any]] = []
    for block in result.content:
        match block.type:
            case "text":
                parts.append({"type": "text", "text": block.text})
            case "image":
                parts.append({"type": "image_url", "image_url": {"url": f"data:{block.mime_type};base64,{block.data}"}})
            case "resource" if getattr(block.resource, "text", None) is not None:
                parts.append({"type": "text", "text": block.resource.text})
            case "resource_link":
                parts.append({"type": "text", "text": f"[{block.name}: {block.uri}]"})
            case other:
                parts.append({"type": "text", "text": f"[{other}]"})
    if not parts and result.structured_content is not None:
        return result.structured_content
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def as_words(content: Any) -> str:
    """The text in what a result says."""
    if isinstance(content, list):
        return "\n".join(part.get("text", f"[{part['type']}]") for part in content)
    return str(content)


def metered(result: Any, most: Decimal) -> PricingInfo:
    """What the server says that the call costs, and no more than may be."""
    told = (result.meta or {}).get(METERING)
    given = told if isinstance(told, Mapping) else {}
    try:
        credits = Decimal(str(given.get("credits", 0)))
    except InvalidOperation:
        credits = Decimal(0)
    if not credits.is_finite() or credits < 0:
        credits = Decimal(0)
    return PricingInfo(credits=min(credits, most), reason=str(given.get("reason", ""))[:200])
