"""How the two admin sites introduce themselves: titles, colours, and what stands in the sidebar."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy

from tenants.permissions import (
    AGENTS_READ,
    AGENTS_WRITE,
    AUDIT_READ,
    BILLING_READ,
    KEYS_WRITE,
    LIMITS_WRITE,
    MEMBERS_WRITE,
    USAGE_READ,
)

# The settings import this module, so whatever needs the settings is imported when it is used.


FIGURES = frozenset(f"billing_{page}" for page in ("overview", "margin", "settlements", "find", "chain"))


def organizations(request: HttpRequest) -> list[dict[str, Any]]:
    """The organizations a member may switch to."""
    from tenants.selectors import memberships_of

    if not request.user.is_authenticated:
        return []
    return [
        {
            "title": seat.organization.name,
            "link": reverse_lazy("choose_organization", args=(seat.organization.id,)),
            "icon": "domain",
        }
        for seat in memberships_of(request.user.pk)
    ]


def subheader(request: HttpRequest) -> str:
    """Whose data the console shows."""
    seat = getattr(request, "seat", None)
    return seat.organization.name if seat else "Sign in"


def _allowed(permission: str) -> Callable[[HttpRequest], bool]:
    def allowed(request: HttpRequest) -> bool:
        from tenants.roles import permissions_of

        seat = getattr(request, "seat", None)
        return seat is not None and permission in permissions_of(seat.role)

    return allowed


def _shows_figures(request: HttpRequest) -> bool:
    """Whether this is one of the pages of figures: their address is the beginning of every other page's of money."""
    match = request.resolver_match
    return match is not None and match.url_name in FIGURES


def _page(title: str, icon: str, view: str, permission: str | None = None) -> dict[str, Any]:
    page: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(view)}
    return page | {"permission": _allowed(permission)} if permission else page


def icon(request: HttpRequest) -> str:
    """The icon in the browser's tab."""
    from django.templatetags.static import static

    return static("console/icon.svg")


def stylesheet(request: HttpRequest) -> str:
    """What the theme's own stylesheet lacks."""
    from django.templatetags.static import static

    return static("console/console.css")


FAVICONS = [{"rel": "icon", "type": "image/svg+xml", "href": icon}]

UNFOLD_CONSOLE = {
    "SITE_FAVICONS": FAVICONS,
    "STYLES": [stylesheet],
    "SITE_TITLE": "Robutler",
    "SITE_HEADER": "Robutler",
    "SITE_SUBHEADER": subheader,
    "SITE_SYMBOL": "smart_toy",
    "SITE_DROPDOWN": organizations,
    "SIDEBAR": {
        "navigation": [
            {"items": [_page("Home", "home", "console:index")]},
            {
                "title": "Agents",
                "separator": True,
                "items": [
                    _page("Agents", "smart_toy", "console:agents_agent_changelist", AGENTS_READ),
                    _page("Templates", "auto_awesome", "console:templates", AGENTS_WRITE),
                    _page("Skills", "extension", "console:skills", AGENTS_READ),
                    _page("Runs", "history", "console:agents_run_changelist", USAGE_READ),
                    _page("Approvals", "how_to_reg", "console:agents_approval_changelist", AGENTS_WRITE),
                    _page("Tools at work", "construction", "console:agents_toolexecution_changelist", AGENTS_WRITE),
                    _page("Memories", "psychology", "console:agents_memory_changelist", AGENTS_WRITE),
                ],
            },
            {
                "title": "Access",
                "separator": True,
                "items": [
                    _page("API keys", "key", "console:tenants_apikey_changelist", KEYS_WRITE),
                    _page("Limits", "speed", "console:tenants_ratelimit_changelist", LIMITS_WRITE),
                    _page("Credentials", "lock", "console:tenants_providercredential_changelist", AGENTS_WRITE),
                    _page("MCP servers", "hub", "console:agents_mcpserver_changelist", AGENTS_WRITE),
                    _page("Team", "group", "console:tenants_membership_changelist", MEMBERS_WRITE),
                    _page("Audit log", "policy", "console:tenants_auditevent_changelist", AUDIT_READ),
                ],
            },
            {
                "title": "Money",
                "separator": True,
                "items": [
                    _page("Wallet", "account_balance_wallet", "console:billing_account_changelist", BILLING_READ),
                    _page("Transfers", "swap_horiz", "console:billing_transfer_changelist", BILLING_READ),
                    _page("Budgets", "savings", "console:billing_budget_changelist", BILLING_READ),
                    _page("Payment tokens", "token", "console:billing_paymenttoken_changelist", BILLING_READ),
                    _page("Earnings and payouts", "payments", "console:billing_payout_changelist", BILLING_READ),
                    _page("Disputes", "gavel", "console:billing_dispute_changelist", BILLING_READ),
                    _page("Statements", "description", "console:billing_statement_changelist", BILLING_READ),
                ],
            },
        ]
    },
}

UNFOLD_STAFF = {
    "SITE_FAVICONS": FAVICONS,
    "STYLES": [stylesheet],
    "SITE_TITLE": "Robutler staff",
    "SITE_HEADER": "Robutler",
    "SITE_SUBHEADER": "Staff",
    "SITE_SYMBOL": "shield_person",
    "COLORS": {
        "primary": {
            "50": "oklch(97.1% .014 343.198)",
            "100": "oklch(94.8% .028 342.258)",
            "200": "oklch(89.9% .061 343.231)",
            "300": "oklch(82.3% .12 346.018)",
            "400": "oklch(71.8% .202 349.761)",
            "500": "oklch(65.6% .241 354.308)",
            "600": "oklch(59.2% .249 .584)",
            "700": "oklch(52.5% .223 3.958)",
            "800": "oklch(45.9% .187 3.815)",
            "900": "oklch(40.8% .153 2.432)",
            "950": "oklch(28.4% .109 3.907)",
        }
    },
    "SIDEBAR": {
        "navigation": [
            {"items": [_page("Home", "home", "admin:index")]},
            {
                "title": "Tenants",
                "separator": True,
                "items": [
                    _page("Organizations", "domain", "admin:tenants_organization_changelist"),
                    _page("Users", "person", "admin:tenants_user_changelist"),
                    _page("Memberships", "group", "admin:tenants_membership_changelist"),
                    _page("API keys", "key", "admin:tenants_apikey_changelist"),
                    _page("Limits", "speed", "admin:tenants_ratelimit_changelist"),
                    _page("Platform credentials", "lock", "admin:tenants_providercredential_changelist"),
                    _page("Audit log", "policy", "admin:tenants_auditevent_changelist"),
                ],
            },
            {
                "title": "Money",
                "separator": True,
                "items": [
                    _page("Figures", "monitoring", "admin:billing_overview") | {"active": _shows_figures},
                    _page("Accounts", "account_balance_wallet", "admin:billing_account_changelist"),
                    _page("Transfers", "swap_horiz", "admin:billing_transfer_changelist"),
                    _page("Reconciliations", "fact_check", "admin:billing_reconciliation_changelist"),
                    _page("Discrepancies", "difference", "admin:billing_discrepancy_changelist"),
                    _page("Charges", "receipt_long", "admin:billing_charge_changelist"),
                    _page("Holds", "hourglass", "admin:billing_hold_changelist"),
                    _page("Settlements", "task_alt", "admin:billing_settlement_changelist"),
                    _page("Top-ups", "add_card", "admin:billing_topup_changelist"),
                    _page("Banks' claims", "credit_card_off", "admin:billing_bankclaim_changelist"),
                    _page("Grants", "redeem", "admin:billing_grant_changelist"),
                    _page("Disputes", "gavel", "admin:billing_dispute_changelist"),
                    _page("Refunds", "undo", "admin:billing_refund_changelist"),
                    _page("Adjustments", "rule", "admin:billing_adjustment_changelist"),
                    _page("Payout batches", "payments", "admin:billing_payoutbatch_changelist"),
                    _page("Payouts", "send_money", "admin:billing_payout_changelist"),
                    _page("Payout accounts", "account_balance", "admin:billing_payoutaccount_changelist"),
                    _page("Statements", "description", "admin:billing_statement_changelist"),
                    _page("Budgets", "savings", "admin:billing_budget_changelist"),
                    _page("Payment tokens", "token", "admin:billing_paymenttoken_changelist"),
                    _page("Price versions", "sell", "admin:billing_priceversion_changelist"),
                    _page("Prices", "list", "admin:billing_priceitem_changelist"),
                ],
            },
            {
                "title": "Agents",
                "separator": True,
                "items": [
                    _page("Agents", "smart_toy", "admin:agents_agent_changelist"),
                    _page("Runs", "history", "admin:agents_run_changelist"),
                    _page("Tools at work", "construction", "admin:agents_toolexecution_changelist"),
                    _page("Memories", "psychology", "admin:agents_memory_changelist"),
                    _page("MCP servers", "hub", "admin:agents_mcpserver_changelist"),
                ],
            },
        ]
    },
}
