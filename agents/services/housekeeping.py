"""Removing what has had its time."""

from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now

from agents.models import IdempotentAnswer, Run, StoredItem
from agents.models.run import RunStatus
from tenants.context import atomic, platform_context

AT_ONCE = 1_000
MOST_TIMES = 200
GRACE = timedelta(minutes=10)
"""Besides the time it works, a run may wait for its reader and for the books."""


def purge_expired_items() -> int:
    """Remove stored items and answers whose time is over, so many at once until few are left; how many there were."""
    return sum(_purge(kind) for kind in (StoredItem, IdempotentAnswer))


def _purge(kind: type[StoredItem] | type[IdempotentAnswer]) -> int:
    removed = 0
    for _ in range(MOST_TIMES):
        gone = _purge_some(kind)
        removed += gone
        if gone < AT_ONCE:
            break
    return removed


def _purge_some(kind: type[StoredItem] | type[IdempotentAnswer]) -> int:
    with platform_context(reason="purge expired items"), atomic():
        due = kind.objects.filter(expires_at__lte=Now()).order_by("expires_at").values_list("id", flat=True)
        gone, _ = kind.objects.filter(id__in=list(due[:AT_ONCE])).delete()
    return gone


def close_abandoned_runs() -> int:
    """End rows that still say `running` long after any run has to be over: their process died. How many there were."""
    longest = timedelta(seconds=settings.ROBUTLER.run_seconds) + GRACE
    with platform_context(reason="close abandoned runs"), atomic():
        lost = Run.objects.filter(status=RunStatus.RUNNING, started_at__lt=Now() - longest)
        return lost.update(status=RunStatus.FAILED, error="ProcessDied", ended_at=Now())
