"""Passing on how far a tool is, from whichever thread it works in."""

import asyncio
import time
from collections.abc import Callable

from skills.sdk.context import Progress

PAUSE_S = 0.5
"""Steps that follow each other sooner are left out, but for the last."""


class Reporter:
    """Hands the progress of one call to the event loop, not more often than anybody would look."""

    def __init__(self, tell: Callable[[Progress], None]) -> None:
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._told_at = float("-inf")

    def __call__(self, progress: Progress) -> None:
        """Pass it on, if it is time to."""
        now = time.monotonic()
        is_last = progress.total is not None and progress.done >= progress.total
        if (now - self._told_at < PAUSE_S and not is_last) or self._loop.is_closed():
            return
        self._told_at = now
        self._loop.call_soon_threadsafe(self._tell, progress)
