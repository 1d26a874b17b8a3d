"""The staff's pages of figures: from what a period came to, down to a single transfer, adding up all the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from billing import bank_claims, figures, outstanding, reconcile, selectors
from billing.admin.cards import cards, money, percent, sums_of
from billing.admin.chains import Chain, chain_of, found_by
from billing.admin.periods import CHOICES, Period, period_of
from billing.admin.wallets import name_of
from billing.amounts import plain
from billing.models import Account, TransferGroup
from billing.models.account import DEBIT_KINDS
from tenants.admin.seats import uuid_or_404

PAGE_ROWS: Final = 100
MOST_LETTERS: Final = 200
SPLITS: Final = {"day": "Day", "model": "Model", "organization": "Organization", "agent": "Agent"}
CHART_HEIGHT: Final = 120
BAR_WIDTH: Final = 12


@dataclass(frozen=True, kw_only=True)
class Row:
    """A part of a sum, and where it leads."""

    name: str
    link: str
    usage: figures.Usage


def addresses(site: AdminSite) -> list[URLPattern]:
    """The pages, to be put before a site's own; the first one takes the place of the list of billing's models."""
    pages = (
        ("billing/", _overview, "billing_overview"),
        ("billing/margin/", _margin, "billing_margin"),
        ("billing/settlements/", _settlements, "billing_settlements"),
        ("billing/find/", _find, "billing_find"),
        ("billing/charges/<str:charge_id>/", _chain, "billing_chain"),
    )
    return [path(route, site.admin_view(_for_staff(site, view)), name=name) for route, view, name in pages]


def _for_staff(site: AdminSite, view: Any) -> Any:
    def shown(request: HttpRequest, **arguments: str) -> HttpResponse:
        if not request.user.has_perm("billing.view_transfer"):
            raise PermissionDenied
        answer: HttpResponse = view(site, request, **arguments)
        return answer

    return shown


def _page(site: AdminSite, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
    everything = {**site.each_context(request), "title": title, **context}
    return TemplateResponse(request, f"admin/billing/{template}.html", everything)


def _overview(site: AdminSite, request: HttpRequest) -> HttpResponse:
    period = period_of(request.GET)
    now, before = sums_of(period), sums_of(period.before)
    look, report = reconcile.last_look(), reconcile.last_report()
    wallets = selectors.wallet_totals()
    balances = figures.balances()
    margin, journal = _address(site, "billing_margin"), _address(site, "billing_transfer_changelist")
    by_day = figures.parts(figures.Span(since=period.since, until=period.until), bucket="day")
    return _page(
        site,
        request,
        "overview",
        "Billing",
        **_picker(period),
        cards=cards(now, before, query=period.query, margin=margin, journal=journal),
        bars=_bars(by_day),
        bars_height=CHART_HEIGHT,
        bars_width=max(len(by_day), 1) * 3 * BAR_WIDTH,
        standing=_standing(wallets, balances),
        holds=[(each, money(each.amount)) for each in outstanding.holds_by_age()],
        losses=_losses(now.moved),
        balance=_trial_balance(balances),
        difference=money(sum(debits - credits for debits, credits in balances.values())),
        invariants=sorted(look.violations.items()),
        looked_at=look.at,
        report=report,
        open_discrepancies=reconcile.open_discrepancies().count(),
        open_claims=bank_claims.open_claims().count(),
    )


def _margin(site: AdminSite, request: HttpRequest) -> HttpResponse:
    period, by = period_of(request.GET), request.GET.get("by", "day")
    by = by if by in SPLITS else "day"
    span = _span(request, period)
    parts = figures.parts(span, bucket="day") if by == "day" else figures.parts(span, group=_GROUPS[by])
    return _page(
        site,
        request,
        "margin",
        "Gross margin",
        **_picker(period),
        splits=[(SPLITS[each], f"?{_query(request, period, by=each)}", each == by) for each in SPLITS],
        by=SPLITS[by],
        filters=_filters(request),
        rows=[_shown(_row(site, request, period, by, part)) for part in parts],
        total=_shown(Row(name="Total", link="", usage=figures.usage(span))),
    )


def _settlements(site: AdminSite, request: HttpRequest) -> HttpResponse:
    period = period_of(request.GET)
    span = _span(request, period)
    number = request.GET.get("page", "1")
    page = int(number) if number.isdecimal() and 0 < int(number) < 10_000 else 1
    found = outstanding.facts(span, limit=PAGE_ROWS + 1, offset=(page - 1) * PAGE_ROWS)
    chain = "billing_chain"
    return _page(
        site,
        request,
        "settlements",
        "Settlements",
        **_picker(period),
        filters=_filters(request),
        rows=[
            (fact, _address(site, chain, fact.charge_id), money(fact.charged), money(fact.own_cost), money(fact.margin))
            for fact in found[:PAGE_ROWS]
        ],
        total=_shown(Row(name="Total", link="", usage=figures.usage(span))),
        previous_page=f"?{_query(request, period, page=str(page - 1))}" if page > 1 else "",
        next_page=f"?{_query(request, period, page=str(page + 1))}" if len(found) > PAGE_ROWS else "",
    )


def _find(site: AdminSite, request: HttpRequest) -> HttpResponse:
    text = _asked(request).get("q", "").strip()
    found = found_by(text)
    if len(found) == 1:
        return HttpResponseRedirect(_address(site, "billing_chain", found[0].pk))
    if not found and TransferGroup.objects.filter(key=text).exists():
        journal = _address(site, "billing_transfer_changelist")
        return HttpResponseRedirect(f"{journal}?{urlencode({'q': text})}")
    charges = [(charge, _address(site, "billing_chain", charge.pk)) for charge in found]
    return _page(site, request, "found", "Search the journal", text=text, charges=charges)


def _chain(site: AdminSite, request: HttpRequest, charge_id: str) -> HttpResponse:
    chain = chain_of(uuid_or_404(charge_id))
    if chain is None:
        raise Http404
    return _page(
        site,
        request,
        "chain",
        f"Charge {chain.charge.pk}",
        chain=chain,
        settled=_settled(chain.settlement),
        held=money(chain.hold.amount) if chain.hold else "",
        children=[
            (hold, _address(site, "billing_chain", hold.charge_id), money(hold.amount)) for hold in chain.children
        ],
        parent=_parent(site, chain.hold),
        transfers=[
            (
                transfer,
                _address(site, "billing_transfer_change", transfer.pk),
                name_of(transfer.debit),
                name_of(transfer.credit),
                money(transfer.amount),
            )
            for transfer in chain.transfers
        ],
        refunds=[(row, _address(site, "billing_refund_change", row.pk), money(row.amount)) for row in chain.refunds],
        left=money(chain.refundable),
        give_back=_give_back(site, request, chain),
    )


def _give_back(site: AdminSite, request: HttpRequest, chain: Chain) -> str:
    """Where a refund of it is entered, for those who may when there is something left."""
    if chain.settlement is None or not chain.refundable or not request.user.is_superuser:
        return ""
    asked = {"hold_id": chain.settlement.pk, "amount": plain(chain.refundable)}
    return f"{_address(site, 'billing_refund_add')}?{urlencode(asked)}"


def _parent(site: AdminSite, hold: Any) -> str:
    """A hold within another belongs to the charge whose hold that is: they share their id or know each other."""
    return _address(site, "billing_chain", hold.parent.charge_id) if hold and hold.parent_id else ""


def _settled(settlement: Any) -> list[tuple[str, str, int]]:
    if settlement is None:
        return []
    parts = (
        *(("Charged", "charged"), ("Provider's cost", "cost"), ("Agent's price", "markup"), ("Platform's fee", "fee")),
        *(("To the platform", "platform_share"), ("To the agent's owner", "creator_share")),
        *(("Beyond the reservation", "overrun"), ("Not covered", "loss")),
    )
    return [(name, money(getattr(settlement, field)), getattr(settlement, field)) for name, field in parts]


_GROUPS: Final[dict[str, figures.Group]] = {"model": "model", "organization": "organization", "agent": "agent"}


def _row(site: AdminSite, request: HttpRequest, period: Period, by: str, part: figures.Part) -> Row:
    """A day leads to its models; a model, an organization or an agent to its settlements."""
    if part.start is not None:
        day = Period(first=part.start.date(), last=part.start.date())
        name, link = f"{part.start:%Y-%m-%d}", f"?{_query(request, day, by='model')}"
    else:
        name = part.group or "no model"
        parameter = {"model": "model", "organization": "organization", "agent": "reference"}[by]
        chosen = {parameter: str(part.group_id or "")}
        link = f"{_address(site, 'billing_settlements')}?{_query(request, period, **chosen)}"
    return Row(name=name, link=link, usage=part.usage)


def _shown(row: Row) -> dict[str, Any]:
    used = row.usage
    return {
        "row": row,
        "charged": money(used.charged),
        "revenue": money(used.platform_share),
        "cost": money(used.own_cost),
        "margin": money(used.margin),
        "share": percent(used.margin, used.platform_share),
    }


def _span(request: HttpRequest, period: Period) -> figures.Span:
    asked = _asked(request)
    organization = uuid_or_404(asked["organization"]) if "organization" in asked else None
    return figures.Span(
        since=period.since,
        until=period.until,
        organization_id=organization,
        reference=asked.get("reference"),
        model=asked.get("model"),
    )


def _asked(request: HttpRequest) -> dict[str, str]:
    """What an address says, without what no text in the database can hold."""
    return {name: str(value).replace("\0", "")[:MOST_LETTERS] for name, value in request.GET.items()}


def _query(request: HttpRequest, period: Period, **changes: str) -> str:
    """The address of the same page with another period and these changes."""
    kept = {name: request.GET[name] for name in ("organization", "reference", "model") if name in request.GET}
    return f"{period.query}&{urlencode({**kept, **changes})}" if kept or changes else period.query


def _filters(request: HttpRequest) -> Sequence[tuple[str, str]]:
    names = {"organization": "Organization", "reference": "Agent", "model": "Model"}
    return [(names[name], request.GET[name] or "none") for name in names if name in request.GET]


def _picker(period: Period) -> dict[str, Any]:
    choices = [(f"?period={name}", title, name == period.name) for name, title in CHOICES.items()]
    return {"period": period, "before": period.before, "choices": choices}


def _standing(wallets: selectors.WalletTotals, balances: Any) -> list[tuple[str, str, str]]:
    def owed(kind: str) -> str:
        debits, credits = balances.get(kind, (0, 0))
        return money(credits - debits)

    return [
        ("Owed to wallets", money(wallets.posted), "Paid in and not spent: what organizations can still use."),
        ("Reserved by runs", money(wallets.held), f"Set aside in {wallets.open_holds} open holds."),
        ("Owed to creators", owed("creator_earnings"), "Earned and not paid out yet."),
        ("Owed to providers", owed("provider_payable"), "Accrued for runs, until their invoices clear it."),
    ]


def _losses(moved: Any) -> list[tuple[str, str]]:
    kinds = dict(TransferGroup.Kind.choices)
    sums: dict[str, int] = {}
    for (kind, debit, credit), amount in moved.items():
        if "overrun_loss" in (debit, credit):
            sums[kind] = sums.get(kind, 0) + (amount if debit == "overrun_loss" else -amount)
    return [(str(kinds.get(kind, kind)), money(amount)) for kind, amount in sorted(sums.items())]


def _trial_balance(balances: Any) -> list[tuple[str, str, str, str]]:
    kinds = dict(Account.Kind.choices)
    rows = []
    for kind, (debits, credits) in sorted(balances.items()):
        balance = debits - credits if kind in DEBIT_KINDS else credits - debits
        rows.append((str(kinds.get(kind, kind)), money(debits), money(credits), money(balance)))
    return rows


def _bars(by_day: Sequence[figures.Part]) -> list[dict[str, Any]]:
    """A pair of bars for each day: the platform's revenue, and what it owed providers."""
    most = max((max(part.usage.platform_share, part.usage.own_cost) for part in by_day), default=0) or 1
    bars = []
    for number, part in enumerate(by_day):
        heights = [value * CHART_HEIGHT // most for value in (part.usage.platform_share, part.usage.own_cost)]
        bars.append(
            {
                "day": part.start,
                "revenue": money(part.usage.platform_share),
                "cost": money(part.usage.own_cost),
                "x": number * 3 * BAR_WIDTH,
                "x_cost": number * 3 * BAR_WIDTH + BAR_WIDTH,
                "width": BAR_WIDTH,
                "height": heights[0],
                "y": CHART_HEIGHT - heights[0],
                "height_cost": heights[1],
                "y_cost": CHART_HEIGHT - heights[1],
            }
        )
    return bars


def _address(site: AdminSite, name: str, *arguments: Any) -> str:
    return reverse(f"{site.name}:{name}", args=arguments)
