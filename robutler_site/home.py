"""The figures on the two home pages, each from a constant number of queries."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, F, Sum
from django.http import HttpRequest
from django.urls import reverse, reverse_lazy
from django.utils import timezone

from agents.admin.runs import runs_seen_by
from agents.models import Agent, Run
from billing import budgets, ledger, selectors
from billing.amounts import dollars
from tenants.admin.seats import allows
from tenants.models import ApiKey
from tenants.permissions import BILLING_READ, KEYS_WRITE, USAGE_READ

NEARLY: Final = 80
"""At which percent a budget is worth a look."""

_AGENTS = reverse_lazy("console:agents_agent_changelist")


def of_organization(request: HttpRequest) -> dict[str, Any]:
    """Today's totals, and what the member's seat opens besides: money, last runs, the first steps."""
    seat = getattr(request, "seat", None)
    if seat is None:
        return {}
    shown: dict[str, Any] = {"organization": seat.organization, "figures": _figures(request, seat.organization.id)}
    if allows(request, BILLING_READ):
        shown["budgets"] = budgets.nearly_used(percent=NEARLY, most=8)
    if allows(request, KEYS_WRITE):
        shown["steps"] = _steps()
    if allows(request, USAGE_READ):
        shown["runs"] = runs_seen_by(request)[:8]
    return shown


def _figures(request: HttpRequest, organization_id: UUID) -> list[tuple[str, str]]:
    today = Run.objects.filter(started_at__gte=_midnight()).aggregate(
        runs=Count("id"), tokens=Sum(F("input_tokens") + F("output_tokens"), default=0), spent=Sum("charged_nanos")
    )
    totals = [
        ("Runs today", f"{today['runs']:,}"),
        ("Tokens today", f"{today['tokens']:,}"),
        ("Spent today", dollars(today["spent"] or 0)),
    ]
    if not allows(request, BILLING_READ):
        return totals
    balance = ledger.balance(organization_id)
    return [("Available", dollars(balance.available)), ("Reserved by runs", dollars(balance.held)), *totals[::2]]


def _steps() -> list[tuple[str, str, bool]]:
    """What it takes to a first reply, where each is done, and whether it is."""
    agents = Agent.objects.aggregate(all=Count("id"), published=Count("published_version"))
    draft = Agent.objects.filter(published_version=None).order_by("-updated_at").first()
    publish = reverse("console:agents_agent_change", args=(draft.pk,)) if draft else _AGENTS
    return [
        ("Create an agent", reverse("console:agents_agent_add"), agents["all"] > 0),
        ("Publish it", str(publish), agents["published"] > 0),
        (
            "Issue an API key",
            reverse("console:tenants_apikey_add"),
            ApiKey.objects.filter(revoked_at=None).exists(),
        ),
    ]


def example_agent() -> str:
    """A published agent's slug for examples, else what stands for one."""
    live = Agent.objects.filter(published_version__isnull=False).order_by("-updated_at").first()
    return live.slug if live else "your-agent"


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
        "top_ups": [(top_up, dollars(top_up.amount)) for top_up in selectors.last_top_ups(limit=8)],
        "is_everybodys": True,
        "runs": Run.objects.select_related("organization")[:8],
    }


def _midnight() -> datetime:
    return timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
