"""The bare limit: an ASGI application that relays a request to the upstream and its reply back, and no more."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_session: aiohttp.ClientSession | None = None


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Relay one request."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    assert _session is not None
    async with _session.post(os.environ["UPSTREAM"] + "/v1/chat/completions", data=body) as reply:
        headers = [(b"content-type", reply.headers["Content-Type"].encode())]
        if (length := reply.headers.get("Content-Length")) is not None:
            headers.append((b"content-length", length.encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        async for data in reply.content.iter_any():
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive: Receive, send: Send) -> None:
    global _session  # noqa: PLW0603  # one session per process is the point of a pool
    await receive()
    _session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=300))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await _session.close()
    await send({"type": "lifespan.shutdown.complete"})
