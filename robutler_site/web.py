"""A web process: uvicorn as we want it, wherever it is started."""

import resource
import socket
import sys
from typing import Any, Final

import uvicorn
from django.conf import settings

from robutler_site.protocol import BoundedHttp

APPLICATION: Final = "robutler_site.asgi:application"
LAST_WORDS_S: Final = 8
"""Once the runs have ended, so long for what is still being written."""
_OTHER_FILES: Final = 1_000


def serve(listener: socket.socket) -> None:
    """Answer whoever connects to `listener` until a signal ends it."""
    _raise_file_limit()
    server = uvicorn.Server(
        uvicorn.Config(
            APPLICATION,
            loop="uvloop",
            **protocols(),
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            forwarded_allow_ips=list(settings.ROBUTLER.trusted_proxies),
            timeout_keep_alive=settings.ROBUTLER.idle_connection_s,
            timeout_graceful_shutdown=LAST_WORDS_S,
        )
    )
    server.run([listener])
    if not server.started:
        sys.exit("The web process did not start.")


def protocols() -> dict[str, Any]:
    """How uvicorn speaks HTTP, and over WebSockets."""
    return {
        "http": BoundedHttp,
        "ws": "websockets-sansio",
        "ws_max_size": settings.ROBUTLER.socket_message_bytes,
        "ws_per_message_deflate": False,  # a window for each socket costs more than it saves
    }


def listen(host: str, port: int) -> socket.socket:
    """A socket on which clients may connect."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2_048)


def _raise_file_limit() -> None:
    """A connection is an open file, and so is each to a model: allow as many as are needed, if the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.ROBUTLER.max_connections + settings.ROBUTLER.max_parallel_runs + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
