"""The figures on the two home pages, each from a constant number of queries."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Sum
from django.http import HttpRequest
from django.utils import timezone

from agents.models import Agent, Run
from billing import ledger, selectors
from billing.amounts import dollars
from tenants.models import ApiKey


def of_organization(request: HttpRequest) -> dict[str, Any]:
    """Money, today's runs and the first steps of the member's organization."""
    seat = getattr(request, "seat", None)
    if seat is None:
        return {}
    balance = ledger.balance(seat.organization.id)
    today = Run.objects.filter(started_at__gte=_midnight()).aggregate(runs=Count("id"), spent=Sum("charged_nanos"))
    agents, published = _agents()
    return {
        "organization": seat.organization,
        "figures": [
            ("Available", dollars(balance.available)),
            ("Reserved by runs", dollars(balance.held)),
            ("Runs today", str(today["runs"])),
            ("Spent today", dollars(today["spent"] or 0)),
        ],
        "steps": [
            ("Create an agent", "console:agents_agent_add", agents > 0),
            ("Publish it", "console:agents_agent_changelist", published > 0),
            ("Issue an API key", "console:tenants_apikey_add", ApiKey.objects.filter(revoked_at=None).exists()),
        ],
        "runs": Run.objects.all()[:8],
    }


def of_platform() -> dict[str, Any]:
    """What staff look at first: whether the books balance, what is reserved, what came in."""
    wallets = selectors.wallet_totals()
    return {
        "figures": [
            ("Trial balance", dollars(selectors.trial_balance().difference)),
            ("Owed to wallets", dollars(wallets.posted)),
            ("Reserved by runs", dollars(wallets.held)),
            ("Open holds", str(wallets.open_holds)),
        ],
        "top_ups": selectors.last_top_ups(limit=8),
        "runs": Run.objects.select_related("organization")[:8],
    }


def _agents() -> tuple[int, int]:
    counts = Agent.objects.aggregate(all=Count("id"), published=Count("published_version"))
    return counts["all"], counts["published"]


def _midnight() -> datetime:
    return timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
