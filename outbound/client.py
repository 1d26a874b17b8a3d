"""The pooled HTTP session and its walls: the URL's form, every resolved address, every socket."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from outbound.addresses import is_public
from outbound.errors import ForbiddenAddress, OutboundTimeout, RedirectRefused, Unreachable
from outbound.policy import check_url, policy
from outbound.tracing import HEADER, traceparent

CONNECT_SECONDS = 3.0
"""For DNS, TCP and TLS together."""
SILENCE_SECONDS = 30.0
TOTAL_SECONDS = 300.0
CONNECTIONS_MAX = 4_096
KEEP_ALIVE_SECONDS = 30.0
DNS_SECONDS = 30
READ_BUFFER_BYTES = 131_072
"""A reader that is slower than the server holds at most about twice this in memory."""
REDIRECTS = frozenset((301, 302, 303, 307, 308))

Lookup: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Answers the addresses of a host; raises OSError when there are none."""

_sessions: dict[asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, AsyncGenerator[None]]] = {}


def session() -> aiohttp.ClientSession:
    """The running event loop's one session: no cookies, no proxies, no redirects, no way inside.

    Responses come undecoded: read them with `outbound.read`, which knows how large they may become. The session closes
    itself when its loop is wound up.
    """
    loop = asyncio.get_running_loop()
    if loop not in _sessions:
        for stale in [known for known in _sessions if known.is_closed()]:
            del _sessions[stale]
        opened = new_session()
        lifetime = _lifetime(loop, opened)
        # Stepping the generator inside the loop registers it: asyncio.run and uvicorn close what is registered.
        with suppress(StopIteration):
            lifetime.asend(None).send(None)
        _sessions[loop] = opened, lifetime
    return _sessions[loop][0]


def new_session(*, lookup: Lookup | None = None) -> aiohttp.ClientSession:
    """A session of its own, for whoever brings another way to look up names; the caller closes it."""
    resolver = SafeResolver(lookup or _system_lookup)
    connector = aiohttp.TCPConnector(
        resolver=resolver,
        socket_factory=resolver.socket,
        limit=CONNECTIONS_MAX,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        ttl_dns_cache=DNS_SECONDS,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
        trust_env=False,
        auto_decompress=False,
        raise_for_status=False,
        read_bufsize=READ_BUFFER_BYTES,
        middlewares=(_guard,),
        headers={"User-Agent": "Robutler", "Accept-Encoding": "identity"},
    )


async def close_all() -> None:
    """Close what the running event loop has open; the next `session()` opens anew."""
    if known := _sessions.get(asyncio.get_running_loop()):
        await known[1].aclose()


@contextmanager
def translated() -> Iterator[None]:
    """Turn what aiohttp and the socket raise into our errors, which name no address."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise OutboundTimeout("The server could not be reached in time.", connecting=True) from None
    except TimeoutError:
        raise OutboundTimeout("The server took too long.") from None
    except aiohttp.ClientConnectorDNSError:
        raise Unreachable("The server's name does not resolve.") from None
    except aiohttp.ClientSSLError:
        raise Unreachable("The server's certificate or TLS is not acceptable.") from None
    except aiohttp.InvalidURL:
        raise ForbiddenAddress("This is not a URL.") from None
    except (aiohttp.ClientError, OSError):
        raise Unreachable("The connection to the server failed.") from None


class SafeResolver(AbstractResolver):
    """Looks names up and lets only public addresses through; the connection goes to those and no others."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._opened: dict[tuple[str, int], frozenset[str]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of `host`. One that is not public spoils them all, unless the operator opened the host."""
        addresses = await self._lookup(host, port)
        if policy().opens(host, port):
            self._opened[host, port] = frozenset(addresses)
        elif not all(map(is_public, addresses)):
            raise ForbiddenAddress("The URL's host resolves to an address that is not on the public internet.")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        self._opened.clear()

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Make the socket for one address. The last wall: whatever led here, an inside address is not connected to."""
        family, kind, protocol, _, (address, port, *_) = info
        if not is_public(address) and not self._is_opened(address, port):
            raise PermissionError("This address is not on the public internet.")
        return socket.socket(family, kind, protocol)

    def _is_opened(self, address: str, port: int) -> bool:
        rules = policy()
        return rules.opens(address, port) or any(
            address in addresses and rules.opens(host, port)
            for (host, known), addresses in self._opened.items()
            if known == port
        )


async def _guard(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    check_url(request.url)
    if (parent := traceparent()) is not None:
        request.headers[HEADER] = parent
    response = await send(request)
    if response.status in REDIRECTS and (location := response.headers.get("Location")):
        response.close()
        raise RedirectRefused("The server redirects elsewhere.", status=response.status, location=location)
    return response


async def _system_lookup(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def _lifetime(loop: asyncio.AbstractEventLoop, opened: aiohttp.ClientSession) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        del _sessions[loop]
        await opened.close()
