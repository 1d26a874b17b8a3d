"""Gauges of this process: what stands in it now, written down every few seconds for whichever process is asked."""

import asyncio

from django.db import connections
from prometheus_client import Gauge

from agents.services.descriptions import agents_loaded
from billing import ledger

EVERY_S = 5.0

_agents = Gauge(
    "robutler_dynamic_agents_cache_size", "Agents that are loaded and ready to run.", multiprocess_mode="livesum"
)
_pool = Gauge(
    "robutler_database_pool_connections",
    "Database connections: open ones, those of them that are idle, and requests that wait for one.",
    ("alias", "state"),
    multiprocess_mode="livesum",
)
_spool = Gauge(
    "robutler_billing_spool_lines",
    "Ends of runs that are on disk and not yet in the books, because the database is or was away.",
    multiprocess_mode="livesum",
)
_STATES = {"pool_size": "open", "pool_available": "idle", "requests_waiting": "waiting"}


async def keep_current() -> None:
    """Write the gauges down, again and again."""
    while True:
        write()
        await asyncio.sleep(EVERY_S)


def write() -> None:
    """Write the gauges down now."""
    _agents.set(agents_loaded())
    _spool.set(ledger.waiting())
    for alias in connections:
        pool = getattr(connections[alias], "_connection_pools", {}).get(alias)
        if pool is not None:
            stats = pool.get_stats()
            for name, state in _STATES.items():
                _pool.labels(alias, state).set(stats.get(name, 0))
