"""What workers do for agents: each task takes no more than ids and calls one service."""

from celery import shared_task

from agents.services import approvals, housekeeping


@shared_task
def purge_expired_items() -> int:
    """Remove what was kept for a time, once nobody can read it any more."""
    return housekeeping.purge_expired_items()


@shared_task
def close_abandoned_runs() -> int:
    """End the rows of runs whose process died."""
    return housekeeping.close_abandoned_runs()


@shared_task
def expire_approvals() -> int:
    """End the questions of runs that were killed while they waited."""
    return approvals.expire_forgotten()
