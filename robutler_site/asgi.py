"""Where the server hands over: completions and probes are answered at once, everything else by Django."""

import os
from typing import cast

from asgiref.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    LifespanScope,
    Scope,
)
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "robutler_site.settings")
_site = get_asgi_application()

from api import health, stats  # noqa: E402 - what follows needs Django to be set up
from api.openai.addresses import is_completion  # noqa: E402
from api.openai.embeddings import PATH as EMBEDDINGS  # noqa: E402
from api.openai.embeddings import embeddings  # noqa: E402
from api.openai.gateway import completions  # noqa: E402
from api.site import Application, observed  # noqa: E402
from api.ws.routing import sockets  # noqa: E402
from robutler_site import lifecycle, scraping  # noqa: E402

_PLAIN = {
    "/live": health.live,
    "/ready": health.ready,
    "/health": health.health,
    "/health/detailed": health.health_detailed,
    "/stats": stats.stats,
    "/metrics": scraping.metrics,
    EMBEDDINGS: embeddings,
}


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answer one connection of the server's, of whatever kind."""
    if scope["type"] == "http":
        await _http(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(scope, receive, send)
    else:
        await sockets(scope, receive, send)


async def _http(scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    if not lifecycle.is_started():
        await lifecycle.start()  # a server without lifespan: runserver
    path = scope["path"]
    if is_completion(path):
        await completions(scope, receive, send)
    elif answer := _PLAIN.get(path):
        await answer(scope, receive, send)
    else:
        await observed(cast(Application, _site), scope, receive, send)


async def _lifespan(scope: LifespanScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await receive()
    await lifecycle.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await lifecycle.stop()
    await send({"type": "lifespan.shutdown.complete"})
