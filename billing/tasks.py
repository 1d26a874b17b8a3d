"""Billing's background work."""

from datetime import UTC, datetime, timedelta

from celery import shared_task

from billing import alerts, grants, ledger, outbox, payments, payouts, reconcile, rollups, seals, statements, tokens

CLOSE_WITHIN_S = 240
"""Closing months stops well before its task would be stopped."""

SWEEP_GRACE_S = 5.0


@shared_task(queue="billing", ignore_result=True)
def sweep_expired_holds() -> int:
    """Close holds that nobody came back for."""
    return ledger.sweep_expired(grace_s=SWEEP_GRACE_S)


@shared_task(queue="billing", ignore_result=True)
def refresh_rollups() -> bool:
    """Add up what was written since the last time."""
    return rollups.refresh()


@shared_task(queue="billing", ignore_result=True)
def seal_journal() -> int:
    """Seal what was written since the last time."""
    return seals.seal()


@shared_task(queue="billing", ignore_result=True)
def check_invariants(*, is_full: bool) -> None:
    """Look at what must always hold."""
    reconcile.check_invariants(is_full=is_full)


@shared_task(queue="billing", ignore_result=True)
def reconcile_yesterday() -> None:
    """Reconcile the day that has just ended."""
    reconcile.reconcile(day=datetime.now(UTC).date() - timedelta(days=1), actor="daily")


@shared_task(queue="billing", ignore_result=True)
def relay_outbox() -> int:
    """Tell those who listen what happened."""
    return outbox.relay()


@shared_task(queue="billing", ignore_result=True)
def look_after_payments() -> int:
    """Ask the gateway about payments of which nobody has told us."""
    return payments.look_after_pending()


@shared_task(queue="billing", ignore_result=True)
def raise_alerts() -> int:
    """Warn those whose money runs low."""
    return alerts.raise_alerts()


@shared_task(queue="billing", ignore_result=True)
def end_overdue_tokens() -> int:
    """End payment tokens whose time is up, or whose run has ended."""
    return tokens.expire_overdue()


@shared_task(queue="billing", ignore_result=True)
def keep_grants() -> None:
    """Work out what was spent of credit that was given, and take out of wallets what has expired of it."""
    grants.attribute_spending()
    grants.expire_due()


@shared_task(queue="billing", ignore_result=True)
def close_months() -> int:
    """Close and print the months that are over, wherever they are."""
    return statements.close_and_print(within_s=CLOSE_WITHIN_S)


@shared_task(queue="billing", ignore_result=True)
def send_payouts() -> int:
    """Ask the payment provider about every payout that is due."""
    return payouts.send_due()
