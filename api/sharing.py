"""The way to Redis, where web processes keep their limits together: brief, bounded, and left alone while it is away."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import structlog

REST_S: Final = 1.0
"""How long it is left alone when it did not answer."""

_log = structlog.get_logger(__name__)


class Away(Exception):
    """Redis does not answer now; whoever needs it goes by what it knows itself."""


class Link:
    """A connection to Redis that never keeps anybody waiting for longer than `timeout_s`."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        # Imported here: it takes a while, and a process without Redis does without.
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        self._timeout_s = timeout_s
        self._failures = (RedisError, OSError, TimeoutError)
        self._redis = Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
        )
        self._scripts: dict[str, Any] = {}
        self.away_until = 0.0

    async def run(self, script: str, *, keys: Sequence[str], values: Sequence[Any]) -> Any:
        """What a script of Redis's answers; Away if it does not, at once if it did not a moment ago."""
        if time.monotonic() < self.away_until:
            raise Away
        known = self._scripts.get(script)
        if known is None:
            known = self._scripts[script] = self._redis.register_script(script)
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await known(keys=keys, args=values)
        except self._failures as error:
            if not self.away_until:
                _log.warning("Limits are kept by each process alone: Redis is away", error=type(error).__name__)
            self.away_until = time.monotonic() + REST_S
            raise Away from error
        if self.away_until:
            _log.info("Limits are kept together again: Redis is back")
            self.away_until = 0.0
        return answer

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()
