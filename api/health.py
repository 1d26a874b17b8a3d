"""Whether this process is alive, and whether it should be given work."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

from api import drain
from api.edge import Exchange, method_not_allowed, serve
from tenants.errors import TenantsUnavailable
from tenants.readiness import not_ready_because
from tenants.threads import in_thread

_started_at = time.monotonic()


async def live(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer GET /live: the process runs its loop. Asks nothing of the database."""
    await serve(Exchange(scope, receive, send), _live, route="live")


async def ready(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer GET /ready: not draining, the database answers, its migrations are applied."""
    await serve(Exchange(scope, receive, send), _ready, route="ready")


async def _live(exchange: Exchange) -> None:
    uptime = round(time.monotonic() - _started_at, 3)
    await _tell(exchange, 200, {"status": "alive", "timestamp": _now(), "uptime_seconds": uptime})


async def _ready(exchange: Exchange) -> None:
    reason = await _reason()
    status, word = (200, "ready") if reason is None else (503, "not_ready")
    details = {"draining": drain.is_draining(), "reason": reason}
    await _tell(exchange, status, {"status": word, "timestamp": _now(), "details": details})


async def _reason() -> str | None:
    if drain.is_draining():
        return "the process is shutting down"
    try:
        return await in_thread(not_ready_because)
    except TenantsUnavailable:
        return "too much waits for the database"


async def _tell(exchange: Exchange, status: int, body: dict[str, Any]) -> None:
    if exchange.scope["method"] not in ("GET", "HEAD"):
        raise method_not_allowed("GET", "HEAD")
    await exchange.answer(status, msgspec.json.encode(body), [(b"cache-control", b"no-store")])


def _now() -> str:
    return datetime.now(UTC).isoformat()
