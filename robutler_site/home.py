"""The figures on the two home pages, each from a constant number of queries."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, F, Sum
from django.http import HttpRequest
from django.urls import reverse, reverse_lazy
from django.utils import timezone

from agents.admin.runs import runs_seen_by
from agents.models import Agent, Run
from agents.services import approvals
from billing import bank_claims, budgets, disputes, figures, ledger, selectors, wallets
from billing.admin.cards import money
from billing.admin.periods import period_of
from billing.amounts import dollars
from tenants.admin.figures import Figure
from tenants.admin.seats import allows
from tenants.models import ApiKey
from tenants.permissions import AGENTS_WRITE, BILLING_READ, KEYS_WRITE, USAGE_READ

NEARLY: Final = 80
"""At which percent a budget is worth a look."""
PACE_DAYS: Final = 7
"""Of how many days the pace of spending is taken."""
LONG_DAYS: Final = 365
"""A wallet that lasts longer is not worth a number."""


_AGENTS = reverse_lazy("console:agents_agent_changelist")


def of_organization(request: HttpRequest) -> dict[str, Any]:
    """Today's totals, and what the member's seat opens besides: money, last runs, the first steps."""
    seat = getattr(request, "seat", None)
    if seat is None:
        return {}
    shown: dict[str, Any] = {"organization": seat.organization, "figures": _figures(request, seat.organization.id)}
    if allows(request, BILLING_READ):
        shown["standstill"] = wallets.standstill(seat.organization.id)
        shown["budgets"] = budgets.nearly_used(percent=NEARLY, most=8)
    if allows(request, AGENTS_WRITE):
        shown["approvals"] = approvals.waiting()
    if allows(request, KEYS_WRITE):
        shown["steps"] = _steps()
    if allows(request, USAGE_READ):
        shown["runs"] = runs_seen_by(request)[:8]
    return shown


def _figures(request: HttpRequest, organization_id: UUID) -> list[Figure]:
    today = Run.objects.filter(started_at__gte=_midnight()).aggregate(
        runs=Count("id"), tokens=Sum(F("input_tokens") + F("output_tokens"), default=0), spent=Sum("charged_nanos")
    )
    totals = [
        Figure("Runs today", f"{today['runs']:,}"),
        Figure("Tokens today", f"{today['tokens']:,}"),
        Figure("Spent today", dollars(today["spent"] or 0)),
    ]
    if not allows(request, BILLING_READ):
        return totals
    balance = ledger.balance(organization_id)
    return [
        Figure("Available", dollars(balance.available)),
        Figure("Reserved by runs", dollars(balance.held)),
        Figure("Lasts at this pace", _runway(organization_id, balance.available)),
        *totals[::2],
    ]


def _runway(organization_id: UUID, available: int) -> str:
    """For how long the wallet pays at the pace of the last days, as far as they are rolled up."""
    now = timezone.now()
    span = figures.Span(since=now - timedelta(days=PACE_DAYS), until=now, organization_id=organization_id)
    spent = figures.usage(span).charged
    if not spent:
        return "not known yet"
    days = max(available, 0) * PACE_DAYS // spent
    return f"more than {LONG_DAYS} days" if days > LONG_DAYS else f"{days} day{'' if days == 1 else 's'}"


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


def of_platform(request: HttpRequest) -> dict[str, Any]:
    """What staff look at first: what the month came to, whether the books balance, what is reserved, what came in."""
    shown = {
        "top_ups": [(top_up, dollars(top_up.amount)) for top_up in selectors.last_top_ups(limit=8)],
        "is_everybodys": True,
        "runs": Run.objects.select_related("organization")[:8],
    }
    return shown | ({"figures": _books()} if request.user.has_perm("billing.view_transfer") else {})


def _books() -> list[Figure]:
    month, wallets = period_of({}), selectors.wallet_totals()
    earned = figures.usage(figures.Span(since=month.since, until=month.until))
    off = sum(debits - credits for debits, credits in figures.balances().values())
    return [
        Figure("Margin this month", money(earned.margin), f"{reverse('admin:billing_margin')}?{month.query}"),
        Figure("Trial balance", money(off), reverse("admin:billing_overview")),
        Figure("Owed to wallets", dollars(wallets.posted), reverse("admin:billing_account_changelist")),
        Figure("Reserved by runs", f"{dollars(wallets.held)} in {wallets.open_holds} holds"),
        Figure(
            "Disputes to decide",
            str(disputes.disputes(state="open").count()),
            f"{reverse('admin:billing_dispute_changelist')}?state__exact=open",
        ),
        Figure(
            "Banks' claims to book",
            str(bank_claims.open_claims().count()),
            f"{reverse('admin:billing_bankclaim_changelist')}?state__exact=open",
        ),
    ]


def _midnight() -> datetime:
    return timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
