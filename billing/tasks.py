"""Billing's background work."""

from celery import shared_task

from billing import ledger, rollups, seals


@shared_task(queue="billing", ignore_result=True)
def sweep_expired_holds() -> int:
    """Close holds that nobody came back for."""
    return ledger.sweep_expired()


@shared_task(queue="billing", ignore_result=True)
def refresh_rollups() -> bool:
    """Add up what was written since the last time."""
    return rollups.refresh()


@shared_task(queue="billing", ignore_result=True)
def seal_journal() -> int:
    """Seal what was written since the last time."""
    return seals.seal()
