"""Taking from windows: from all that a request needs, or from none."""

import time
from collections.abc import Iterable
from typing import TypeAlias

from api.limit_answers import exceeded
from api.shared_quota import SharedQuota
from api.windows import Use, Window

Demand: TypeAlias = list[tuple[Window, int]]


class _Source:
    shared: SharedQuota | None = None
    """Where more comes from, when processes share their limits."""


def share(shared: SharedQuota | None) -> None:
    """From now on ask there for what windows do not hold; None asks nobody."""
    _Source.shared = shared


async def take(demand: Demand) -> list[Use]:
    """Use so much of each window; what does not fit into one is refused, and none is touched."""
    while True:
        now = time.monotonic()
        short = [(window, amount) for window, amount in demand if window.room(now) < amount]
        if not short:
            return [window.use(amount) for window, amount in demand]
        met = [window for window, _ in short if now < window.ask_at]
        if met or _Source.shared is None:
            raise exceeded(max(met, key=lambda window: window.ends_at), now=now)
        await _Source.shared.fill(short)


def correct(uses: Iterable[Use], amount: int) -> None:
    """So much was used instead of what was taken."""
    shared = []
    for use in uses:
        use.correct(amount)
        if use.window.key is not None:
            shared.append(use.window)
    if shared and _Source.shared is not None:
        _Source.shared.tell(shared)
