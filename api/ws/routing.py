"""The addresses of the WebSockets."""

from typing import Final

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, WebSocketScope
from channels.routing import URLRouter
from django.urls import path, re_path

from api.ws.chat import ChatSocket
from api.ws.switchboard import switchboard
from api.ws.viewing import RunSocket


async def _nothing_here(scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Refuse the handshake: there is nothing at this address."""
    await receive()
    await send({"type": "websocket.close", "code": 1000, "reason": ""})


_router: Final = URLRouter(
    [
        re_path(r"^ws/chat/(?P<address>[^/]+(?:/[^/]+)?)$", ChatSocket.as_asgi()),
        path("ws/runs/<uuid:run_id>", RunSocket.as_asgi()),
        re_path(r"", _nothing_here),  # type: ignore[arg-type]  # an application, as Channels has it
    ]
)


async def sockets(scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Serve one WebSocket."""
    switchboard.open()
    await _router(scope, receive, send)
