"""Two web processes with one Redis between them."""

from collections.abc import Generator
from dataclasses import dataclass

import pytest

from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.redis_server import RedisServer

# On a machine that has too much to do, a Redis that is there may be slow to answer.
PAIRED = {"ROBUTLER_WEB_PROCESSES": "2", "ROBUTLER_REDIS_TIMEOUT_S": "5"}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Both processes, and what they share."""

    servers: tuple[LiveServer, LiveServer]
    redis: RedisServer


@pytest.fixture(scope="module")
def pair(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Generator[Pair]:
    """A pair with a Redis that may be stopped, if it is started again."""
    with (
        RedisServer(tmp_path_factory.mktemp("redis")) as redis,
        start(REDIS_URL=redis.url, **PAIRED) as one,
        start(REDIS_URL=redis.url, **PAIRED) as other,
    ):
        yield Pair(servers=(one, other), redis=redis)
