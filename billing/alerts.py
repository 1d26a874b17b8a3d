"""Warnings: a wallet that runs low, a budget that is nearly used."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connections
from django.utils.dateformat import format as written

from billing.models import BalanceAlert
from billing.subjects import described, names_of
from tenants import audit
from tenants.context import PLATFORM, atomic, current_organization, platform_context

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('billing_alerts', 0))"


def raise_alerts() -> int:
    """Warn of wallets below what their owners named, of budgets nearly used; how often. Two at once: one does it."""
    with platform_context(reason="warn of low balances"), atomic(), connections[PLATFORM].cursor() as cursor:
        cursor.execute(_LOCK)
        if cursor.fetchone() == (False,):
            return 0
        cursor.execute("SELECT billing_warn_of_balances() + billing_warn_of_budgets()")
        (warned,) = cursor.fetchone()
    return int(warned)


def balance_alert() -> int | None:
    """Below which available balance the organization of this work is warned; None where it is not. Nanodollars."""
    found = BalanceAlert.objects.filter(organization_id=current_organization()).first()
    return found.below if found else None


def set_balance_alert(below_nanos: int | None) -> None:
    """Warn below this balance from now on; None: not any more."""
    organization_id = current_organization()
    with atomic():
        if below_nanos is None:
            BalanceAlert.objects.filter(organization_id=organization_id).delete()
        else:
            BalanceAlert.objects.update_or_create(organization_id=organization_id, defaults={"below": below_nanos})
        audit.record(action="alert.balance_set", detail={"below_nanos": str(below_nanos or 0)})


def budget_in_words(payload: Mapping[str, Any]) -> dict[str, str]:
    """Whose budget is nearly used, and since and until when, in words for people of the current organization."""
    scope, subject, zone = payload["scope"], payload["subject"], payload["time_zone"]
    began = _local(payload["starts_at"], zone)
    resets = payload["resets_at"] and _local(payload["resets_at"], zone)
    return {
        "whose": described(scope, names_of(scope, [subject]).get(subject, subject)),
        "began": written(began, "j F Y"),
        "resets": f"{written(resets, 'j F Y, H:i')} ({zone})" if resets else "you raise it",
    }


def _local(moment: str, zone: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone))
