"""Taking from windows: from all that a request needs, or from none."""

import time
from typing import TypeAlias

from api.limit_answers import exceeded
from api.windows import Use, Window

Demand: TypeAlias = list[tuple[Window, int]]


async def take(demand: Demand) -> list[Use]:
    """Use so much of each window; what does not fit into one is refused, and none is touched."""
    now = time.monotonic()
    short = [window for window, amount in demand if window.room(now) < amount]
    if short:
        raise exceeded(max(short, key=lambda window: window.ends_at), now=now)
    return [window.use(amount) for window, amount in demand]
