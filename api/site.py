"""What Django answers, seen from the edge: the same id, limit, count and log line as everything else."""

from collections.abc import Awaitable, Callable, Iterable
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

from api.edge import Exchange, serve, too_large
from api.problems import Problem

ROUTE = "site"

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
    limit = settings.ROBUTLER.body_limit_bytes
    headers = [(name, value) for name, value in scope["headers"] if name != b"x-request-id"]
    headers.append((b"x-request-id", exchange.request_id.encode()))
    size = 0
    replaced: Problem | None = None

    async def bounded() -> ASGIReceiveEvent:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > limit:
                return {"type": "http.disconnect"}  # Django then lets go of what it has read
        return message

    async def marked(message: ASGISendEvent) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            if replaced := _replacement(exchange, message["headers"]):
                await exchange.refuse(replaced)
                return
            message = {**message, "headers": [*exchange.marks(), *message["headers"]]}
        if not replaced:
            await send(message)

    async def handler(exchange: Exchange) -> None:
        exchange.refuse_size(limit)
        await application({**scope, "headers": headers}, bounded, marked)
        if size > limit:
            raise too_large(limit)

    await serve(exchange, handler, route=ROUTE)


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
