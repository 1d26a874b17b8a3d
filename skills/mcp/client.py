"""Sessions with MCP servers, by the official SDK over the platform's safe client."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from outbound.transport import SafeTransport
from skills.sdk import ToolFailed
from skills.sdk.served import Definition, ToolServer

MOST_TOOLS: Final = 200
MOST_PAGES: Final = 20
LONGEST_DESCRIPTION: Final = 4_000
LARGEST_SCHEMA: Final = 40_000
CONNECT_S: Final = 15.0

FAILURES: Final = (MCPError, httpx2.HTTPError, OSError, EOFError, ValueError, RuntimeError)
"""What a server that misbehaves makes the SDK raise."""


class Session:
    """A connection to one server for one run, kept open by a task of its own until it is closed."""

    def __init__(self, server: ToolServer, secret: str | None) -> None:
        self._server = server
        self._secret = secret
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._asking = asyncio.Lock()
        self._digests: Mapping[str, str] | None = None
        self._keeper = asyncio.create_task(self._keep(), name=f"mcp {server.name}")

    async def client(self) -> Client:
        """The connected client. Raises ToolFailed when the server cannot be reached."""
        try:
            async with asyncio.timeout(CONNECT_S):
                return await asyncio.shield(self._ready)
        except TimeoutError:
            raise ToolFailed(f"The MCP server {self._server.name!r} does not answer.") from None

    async def digests(self) -> Mapping[str, str]:
        """What the server defines now, by name; asked once. Raises ToolFailed."""
        client = await self.client()
        async with self._asking:
            if self._digests is None:
                try:
                    async with asyncio.timeout(CONNECT_S):
                        self._digests = {each.name: each.digest for each in await definitions(client)}
                except (TimeoutError, *FAILURES) as error:
                    name = self._server.name
                    raise ToolFailed(f"The MCP server {name!r} does not say what it offers: {words(error)}") from None
        return self._digests

    async def close(self) -> None:
        """Say goodbye, but not for long."""
        self._over.set()
        done, _ = await asyncio.wait({self._keeper}, timeout=2)
        if not done:
            self._keeper.cancel()
            await asyncio.wait({self._keeper}, timeout=5)

    @property
    def is_lost(self) -> bool:
        """Whether it has ended."""
        return self._keeper.done()

    async def _keep(self) -> None:
        # The SDK's contexts have to be left by the task that entered them.
        try:
            async with connected(self._server, self._secret) as client:
                self._ready.set_result(client)
                await self._over.wait()
        except BaseExceptionGroup as group:
            self._fail(first_of(group))
        except FAILURES as error:
            self._fail(error)
        except asyncio.CancelledError:
            self._fail(ConnectionError("cancelled"))
            raise

    def _fail(self, error: BaseException) -> None:
        if self._ready.done():
            return
        self._ready.set_exception(ToolFailed(f"The MCP server {self._server.name!r} cannot be used: {words(error)}"))
        self._ready.exception()  # whoever waits is told; nobody has to


@asynccontextmanager
async def connected(server: ToolServer, secret: str | None) -> AsyncGenerator[Client]:
    """A client of the server, initialized."""
    async with Client(_transport(server, secret), cache=None) as client:
        yield client


async def definitions(client: Client) -> Sequence[Definition]:
    """What the server offers. What is too large to be offered to a model is left out."""
    found: list[Definition] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        found.extend(
            Definition(name=tool.name, description=(tool.description or "")[:LONGEST_DESCRIPTION], schema=schema)
            for tool in page.tools
            if len(str(schema := dict(tool.input_schema))) <= LARGEST_SCHEMA and 0 < len(tool.name) <= 128
        )
        cursor = page.next_cursor
        if cursor is None or len(found) >= MOST_TOOLS:
            break
    return found[:MOST_TOOLS]


async def call(client: Client, name: str, arguments: Mapping[str, Any], *, timeout_s: float) -> Any:
    """The result of a call, as the SDK has it. Raises ToolFailed."""
    try:
        async with asyncio.timeout(timeout_s):
            return await client.call_tool(name, dict(arguments), read_timeout_seconds=timeout_s)
    except TimeoutError:
        raise ToolFailed(f"{name} did not answer within {timeout_s:g} seconds.") from None
    except FAILURES as error:
        raise ToolFailed(f"{name} failed on its server: {words(error)}") from None


def words(error: BaseException) -> str:
    """What may be told of a failure: what the server said, cut; of everything else, its kind."""
    if isinstance(error, MCPError | httpx2.HTTPError) and str(error):
        return str(error)[:500]
    return type(error).__name__


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What a group of failures began with."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _transport(server: ToolServer, secret: str | None) -> AbstractAsyncContextManager[Any]:
    if server.transport == "operator":
        command, *arguments = server.command
        return stdio_client(StdioServerParameters(command=command, args=list(arguments)))
    ours = {"Authorization": f"Bearer {secret}"} if secret else {}

    def made(headers: dict[str, str] | None = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
        transport = SafeTransport(silence_s=max(server.timeout_s, CONNECT_S))
        every = {**(headers or {}), **ours}
        return httpx2.AsyncClient(transport=transport, headers=every, timeout=None, trust_env=False)

    if server.transport == "sse":
        return sse_client(server.url, httpx_client_factory=made)
    return _over_http(server.url, made())


@asynccontextmanager
async def _over_http(url: str, http: httpx2.AsyncClient) -> AsyncIterator[Any]:
    async with http, streamable_http_client(url, http_client=http) as streams:
        yield streams
