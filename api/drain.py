"""Leaving in good order: nothing new begins, what runs may finish, then the server stops and exits with 0."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType

import uvicorn

from agents.errors import Draining


class _Drain:
    begun = False
    task: asyncio.Task[None] | None = None


_drain = _Drain()


def is_draining() -> bool:
    """Whether this process is on its way out."""
    return _drain.begun


def refuse_when_draining() -> None:
    """Raise Draining when nothing new may begin here."""
    if _drain.begun:
        raise Draining


def begin() -> None:
    """From now on nothing new begins."""
    _drain.begun = True


def on_signals(finish: Callable[[], Awaitable[None]], hurry: Callable[[], None]) -> bool:
    """At SIGTERM or SIGINT begin to drain and leave when `finish` is done; whether this server lets us.

    uvicorn would close its doors at the signal, and end by raising it again. Here its doors stay open meanwhile, so
    that probes and clients are told 503, and it ends as if it had been asked to, with exit code 0. At a second signal
    `hurry` has to end what is still in progress; a third is uvicorn's own business.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not isinstance(server, uvicorn.Server):
        return False
    loop = asyncio.get_running_loop()

    def start() -> None:
        _let_go(server)
        _drain.task = loop.create_task(_leave(server, finish))

    def leave(number: int, frame: FrameType | None) -> None:
        begin()
        if step := next(steps, None):
            loop.call_soon_threadsafe(step)
        else:
            server.handle_exit(number, frame)

    steps = iter((start, hurry))
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    return True


def _let_go(server: uvicorn.Server) -> None:
    """Have every connection closed after the answer that is being given on it, and say so in those not yet begun."""
    for connection in tuple(server.server_state.connections):
        cycle = getattr(connection, "cycle", None)
        if cycle is not None:
            cycle.keep_alive = False


async def _leave(server: uvicorn.Server, finish: Callable[[], Awaitable[None]]) -> None:
    try:
        await finish()
    finally:
        server.should_exit = True
