"""How much of this process one key may use at once."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from api.problems import Problem, Refused
from tenants.caller import Caller

_running: Counter[UUID] = Counter()


@contextmanager
def slot(caller: Caller) -> Generator[None]:
    """One of the requests that the caller's key may have in progress at the same time."""
    if caller.max_parallel is None or caller.key_id is None:
        yield
        return
    if _running[caller.key_id] >= caller.max_parallel:
        raise Refused(
            Problem(
                status=429,
                type="rate_limit_error",
                code="too_many_concurrent_requests",
                message=f"This API key may have {caller.max_parallel} requests in progress at once. Wait for one.",
                retry_after_s=1,
            )
        )
    _running[caller.key_id] += 1
    try:
        yield
    finally:
        _running[caller.key_id] -= 1
        if not _running[caller.key_id]:
            del _running[caller.key_id]
