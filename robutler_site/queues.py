"""The queues of background work, and how much waits in them."""

from functools import cache

import redis
from django.conf import settings
from django.db import DatabaseError, connections

TOOLS = "tools"
QUEUES = (TOOLS, "billing", "maintenance")
SWEEP_SECONDS = 5
"""How often the books are swept."""
PRIORITIES = (0, 3, 6, 9)
"""As kombu keeps them in Redis: a list for each of these steps."""

_PATIENCE_S = 1.0


def depths() -> dict[str, int] | None:
    """How many tasks wait in each queue; None when the broker does not answer, or is one that tells by itself.

    Asks without loading Celery, which a web process does without. RabbitMQ has metrics of its own.
    """
    environment = settings.ROBUTLER
    url = environment.celery_broker_url or environment.redis_url
    if not url:
        return _in_database()
    return _in_redis(url) if url.startswith(("redis://", "rediss://")) else None


def _in_database() -> dict[str, int] | None:
    statement = "SELECT queue, count(*) FROM broker_message WHERE consumer IS NULL AND queue = ANY(%s) GROUP BY queue"
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute(statement, [list(QUEUES)])
            return {**dict.fromkeys(QUEUES, 0), **dict(cursor.fetchall())}
    except DatabaseError:
        return None


def _in_redis(url: str) -> dict[str, int] | None:
    lists = [(queue, _list(queue, step)) for queue in QUEUES for step in PRIORITIES]
    try:
        pipeline = _client(url).pipeline(transaction=False)
        for _, name in lists:
            pipeline.llen(name)
        lengths = pipeline.execute()
    except redis.RedisError:
        return None
    found = dict.fromkeys(QUEUES, 0)
    for (queue, _), length in zip(lists, lengths, strict=True):
        found[queue] += int(length)
    return found


def _list(queue: str, priority: int) -> str:
    return f"{queue}\x06\x16{priority}" if priority else queue


@cache
def _client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S)
