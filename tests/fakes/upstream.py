"""A model provider that speaks OpenAI's wire format on a real port, misbehaves to order, and keeps a log of the truth.

In a test: `with Upstream() as upstream: … upstream.base_url …`. By hand: `python -m tests.fakes.upstream --port 0`
prints its port. What it can be asked for: `tests/fakes/upstream_orders.py`. GET /_log tells what happened, DELETE /_log
forgets it.
"""

import argparse
import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import uvloop

from tests.fakes.upstream_server import Connection, Exchange, Log, Server
from tests.fakes.upstream_truth import Truth

BACKLOG = 4_096
START_SECONDS = 10


class Upstream:
    """The fake in a thread of this process, with an event loop of its own."""

    def __init__(self, *, key: str | None = None, pace_ms: float = 0, host: str = "127.0.0.1") -> None:
        self.log = Log()
        self.host = host
        self.port = 0
        self._listen = partial(_listen, log=self.log, key=key, pace_ms=pace_ms, host=host)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="fake-upstream", daemon=True)

    @property
    def base_url(self) -> str:
        """What to configure as the provider's address."""
        return f"http://{self.host}:{self.port}/v1"

    @property
    def address(self) -> str:
        """`host:port`, for an allow list."""
        return f"{self.host}:{self.port}"

    @property
    def exchanges(self) -> list[Exchange]:
        """Every completion asked for, oldest first."""
        return list(self.log.exchanges)

    @property
    def connections(self) -> list[Connection]:
        """Every connection made, oldest first."""
        return list(self.log.connections)

    def wait(self, happened: Callable[[Log], bool], *, within_s: float = 5.0) -> bool:
        """Wait until the log shows it; False if it does not in time."""
        until = time.monotonic() + within_s
        with self.log.changed:
            while not happened(self.log):
                if not self.log.changed.wait(until - time.monotonic()):
                    return happened(self.log)
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError("The fake upstream did not start.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._listen(port=0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for transport in list(self.log.transports):
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))


async def _listen(*, log: Log, key: str | None, pace_ms: float, host: str, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    protocol = partial(Server, log=log, key=key, pace_ms=pace_ms, loop=loop)
    return await loop.create_server(protocol, host, port, backlog=BACKLOG)


async def _main(options: argparse.Namespace) -> None:
    log = Log(lean=options.lean, truth=Truth(options.truth) if options.truth else None)
    server = await _listen(log=log, key=options.key, pace_ms=options.pace, host=options.host, port=options.port)
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.collect()
    gc.freeze()
    await server.serve_forever()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", help="the only API key to accept")
    parser.add_argument("--pace", type=float, default=0, help="milliseconds between tokens")
    parser.add_argument("--lean", action="store_true", help="log no headers and bodies: for benchmarks")
    parser.add_argument("--truth", type=Path, help="a file in which every token sold is on disk before it is sent")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_main(options))


if __name__ == "__main__":
    main()
