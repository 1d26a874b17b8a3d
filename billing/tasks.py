"""Billing's background work."""

from celery import shared_task

from billing import ledger


@shared_task(queue="billing", ignore_result=True)
def sweep_expired_holds() -> int:
    """Close holds that nobody came back for."""
    return ledger.sweep_expired()
