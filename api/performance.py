"""How this process is doing, in figures of bounded size: altogether, and for each of the busiest organizations."""

from collections import OrderedDict
from datetime import UTC, datetime
from time import monotonic, time
from typing import Any
from uuid import UUID

from tenants.caller import Caller

ORGANIZATIONS_AT_MOST = 1_000
"""Of so many organizations figures are kept; those that were not heard of for longest are forgotten first."""

_MINUTE_S = 60


class Performance:
    """Requests that were answered: how many, how fast, how many of them badly, and how many in the last minute."""

    __slots__ = ("_failed", "_in_second", "_latest_second", "_seconds", "_total", "_updated_at", "active")

    def __init__(self) -> None:
        self.active = 0
        self._total = 0
        self._failed = 0
        self._seconds = 0.0
        self._updated_at = time()
        self._latest_second = 0
        self._in_second = [0] * _MINUTE_S

    def answered(self, *, status: int, seconds: float) -> None:
        """Count one answer; those that are our own fault count as failed."""
        self._total += 1
        self._failed += status >= 500
        self._seconds += seconds
        self._updated_at = time()
        self._in_second[self._pass_time() % _MINUTE_S] += 1

    def figures(self) -> dict[str, Any]:
        """What has been counted, in words that clients of the version before know."""
        self._pass_time()
        total = self._total
        return {
            "total_requests": total,
            "requests_last_minute": sum(self._in_second),
            "active_requests": self.active,
            "average_response_time_ms": round(self._seconds * 1000 / total, 3) if total else 0.0,
            "error_rate": round(self._failed / total, 6) if total else 0.0,
            "last_updated": datetime.fromtimestamp(self._updated_at, UTC).isoformat(),
        }

    def _pass_time(self) -> int:
        """Forget the seconds that are a minute old by now; answers the present one."""
        now = int(monotonic())
        for second in range(max(self._latest_second + 1, now - _MINUTE_S + 1), now + 1):
            self._in_second[second % _MINUTE_S] = 0
        self._latest_second = now
        return now


everybody = Performance()
_of: OrderedDict[UUID, Performance] = OrderedDict()


def answered(caller: Caller | None, *, status: int, seconds: float) -> None:
    """Count one answer, for the caller's organization too if it is known."""
    everybody.answered(status=status, seconds=seconds)
    if caller is not None:
        of_organization(caller.organization_id).answered(status=status, seconds=seconds)


def of_organization(organization_id: UUID) -> Performance:
    """The figures of one organization's requests."""
    found = _of.get(organization_id)
    if found is None:
        found = _of[organization_id] = Performance()
        if len(_of) > ORGANIZATIONS_AT_MOST:
            _of.popitem(last=False)
    else:
        _of.move_to_end(organization_id)
    return found
