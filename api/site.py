"""What Django answers, seen from the edge: the same id, limit, count and log line as everything else."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeAlias

from asgiref.typing import (
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
)
from django.conf import settings
from django.urls import Resolver404, resolve

from api.auth import recognise
from api.cors import cors_headers
from api.edge import Exchange, serve, too_large, too_slow
from api.limits import count_read
from api.problems import Problem, Refused
from tenants.errors import TenantsError

SESSION_BODY_BYTES = 2_500_000
"""Far more than any form of the console sends."""

_SITES = ("console", "admin", "static")
_SAID = {
    403: ("forbidden", "This address is not open to you."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method."),
    413: ("request_too_large", "The body is too large."),
}

Application: TypeAlias = Callable[[Scope, ASGIReceiveCallable, ASGISendCallable], Awaitable[None]]


async def observed(
    application: Application, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Have `application` answer under the edge's eyes. It finds the request's id in the X-Request-ID header."""
    exchange = Exchange(scope, receive, send)
    headers = [(name, value) for name, value in scope["headers"] if name != b"x-request-id"]
    headers.append((b"x-request-id", exchange.request_id.encode()))
    body = _Body(receive)
    replaced: Problem | None = None

    async def marked(message: ASGISendEvent) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            if replaced := _replacement(exchange, message["headers"]):
                await exchange.refuse(replaced)
                return
            readable = cors_headers(scope["path"], exchange.headers)
            message = {**message, "headers": [*exchange.marks(), *readable, *message["headers"]]}
        if not replaced:
            await send(message)

    async def handler(exchange: Exchange) -> None:
        exchange.refuse_encoding()
        body.limit = await _limit(exchange)
        exchange.refuse_size(body.limit)
        await application({**scope, "headers": headers}, body.receive, marked)
        if body.refusal is not None and not exchange.status:
            raise body.refusal

    await serve(exchange, handler, route=_route(scope["path"]))


class _Body:
    """The request's body on its way to Django: within a limit and in time, else Django hears that the client left."""

    def __init__(self, receive: ASGIReceiveCallable) -> None:
        self.limit = 0
        self.refusal: Refused | None = None
        self._receive = receive
        self._size = 0
        self._is_whole = False
        self._until = asyncio.get_running_loop().time() + settings.ROBUTLER.body_s

    async def receive(self) -> ASGIReceiveEvent:
        """The next piece; after the last one, the client's leaving."""
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self.refusal = too_slow()
            return {"type": "http.disconnect"}
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
            if self._size > self.limit:
                self.refusal = too_large(self.limit)
                return {"type": "http.disconnect"}  # Django then lets go of what it has read
        return message


def _route(path: str) -> str:
    """The address as the URL modules write it, for there are few of those; pages count together by their site."""
    for site in _SITES:
        if path.startswith(f"/{site}/"):
            return site
    try:
        return f"/{resolve(path).route}"
    except Resolver404:
        return "unknown"


async def _limit(exchange: Exchange) -> int:
    """How large a body may be: small until a key is known to be good, larger where a session may be behind it."""
    environment = settings.ROBUTLER
    if b"authorization" in exchange.headers:
        with suppress(Refused, TenantsError):  # Django will refuse it in its own words, or needs no key
            await recognise(exchange)
    if exchange.caller is not None:
        await count_read(exchange.caller)
        return int(environment.body_limit_bytes)
    return SESSION_BODY_BYTES if b"cookie" in exchange.headers else int(environment.anonymous_body_limit_bytes)


def _replacement(exchange: Exchange, headers: Iterable[tuple[bytes, bytes]]) -> Problem | None:
    """What to say instead of a page about an error to somebody who did not ask for pages."""
    if exchange.status < 400 or b"text/html" in exchange.headers.get(b"accept", b""):
        return None
    found = {bytes(name).lower(): bytes(value) for name, value in headers}
    if found.get(b"content-type", b"").startswith(b"application/json"):
        return None
    code, message = _SAID.get(exchange.status, ("invalid_request", "The request was refused."))
    if exchange.status >= 500:
        code, message = "internal_error", "Something went wrong on our side. Try again."
    return Problem(
        status=exchange.status,
        type="server_error" if exchange.status >= 500 else "invalid_request_error",
        code=code,
        message=message,
        extra_headers=tuple((name, found[name]) for name in (b"allow", b"retry-after") if name in found),
    )
