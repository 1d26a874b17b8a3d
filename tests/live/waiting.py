"""Waiting for what another process does."""

import time
from collections.abc import Callable

_PAUSE_S = 0.02


def eventually(holds: Callable[[], bool], *, within_s: float) -> bool:
    """Whether it holds before the time is over."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    return True
