"""How long to wait for the next piece of a reply."""

import asyncio


def next_piece(idle_s: float, *, ends_at: float) -> asyncio.Timeout:
    """A limit around one wait: of silence, and of the whole reply, which ends at that time of the loop's clock.

    Raises TimeoutError when it has ended: a stream that always has something ready is never waited for.
    """
    now = asyncio.get_running_loop().time()
    if now >= ends_at:
        raise TimeoutError
    return asyncio.timeout_at(min(now + idle_s, ends_at))
