"""How much of this process one key may use at once."""

from collections import Counter
from types import TracebackType
from typing import Self
from uuid import UUID

from api.problems import Problem, Refused
from tenants.caller import Caller

_running: Counter[UUID] = Counter()


class Slot:
    """One of the requests that the caller's key may have in progress at the same time.

    It is given back before the last bytes go out: who has read the end of one answer may ask for the next.
    """

    def __init__(self, caller: Caller) -> None:
        self._key_id = caller.key_id if caller.max_parallel is not None else None
        self._most = caller.max_parallel or 0

    def __enter__(self) -> Self:
        if self._key_id is not None:
            if _running[self._key_id] >= self._most:
                self._key_id = None
                raise _too_many(self._most)
            _running[self._key_id] += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Give it back; doing so again changes nothing."""
        key_id, self._key_id = self._key_id, None
        if key_id is not None:
            _running[key_id] -= 1
            if not _running[key_id]:
                del _running[key_id]


def _too_many(most: int) -> Refused:
    return Refused(
        Problem(
            status=429,
            type="rate_limit_error",
            code="too_many_concurrent_requests",
            message=f"This API key may have {most} requests in progress at once. Wait for one.",
            retry_after_s=1,
        )
    )
