"""What Django answers, seen from the edge: the same id, limit, count and log line as everything else."""

from collections.abc import Awaitable, Callable
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

ROUTE = "site"

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

    async def bounded() -> ASGIReceiveEvent:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > limit:
                raise too_large(limit)
        return message

    async def marked(message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            message = {**message, "headers": [*exchange.marks(), *message["headers"]]}
        await send(message)

    async def handler(exchange: Exchange) -> None:
        exchange.refuse_size(limit)
        await application({**scope, "headers": headers}, bounded, marked)

    await serve(exchange, handler, route=ROUTE)
