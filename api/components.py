"""The parts of the platform besides this process, and how they are. Whoever puts them together says how to ask."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tenants.readiness import readiness

PATIENCE_S = 2.0
"""Whoever does not say within this time how a part is, does not know."""

State: TypeAlias = Mapping[str, Any]
"""`status` is healthy, degraded or unknown; what else there is to say stands beside it."""

Look: TypeAlias = Callable[[], Mapping[str, State]]

_UNKNOWN: State = {"status": "unknown"}


class _Beside:
    names: tuple[str, ...] = ()
    look: Look = dict


def watch(names: tuple[str, ...], look: Look) -> None:
    """From now on `look`, which may block, says how the parts with these names are."""
    _Beside.names, _Beside.look = names, look


async def states() -> dict[str, State]:
    """Every part with its state. Answers in bounded time, whatever is away."""
    reason = await readiness()
    database: State = {"status": "healthy"} if reason is None else {"status": "degraded", "reason": reason}
    others: Mapping[str, State] = dict.fromkeys(_Beside.names, _UNKNOWN)
    if reason is None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                others = await asyncio.to_thread(_Beside.look)
        except TimeoutError:
            pass
    return {"database": database, **others}
