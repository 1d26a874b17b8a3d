"""Runs: what was asked of agents, what it used and what it cost."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from agents.models import Run
from billing.admin.dispute_links import disputable
from billing.admin.receipts import receipt_of
from billing.amounts import dollars
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, allows, sees_only_own, signed_in, uuid_or_404
from tenants.models import ApiKey, Organization
from tenants.permissions import BILLING_READ, BILLING_WRITE, USAGE_READ

STATUS_LABELS = {
    "Finished": "success",
    "Running": "info",
    "Failed": "danger",
    "Caller left": "warning",
    "Stopped by the platform": "warning",
}
COLUMNS = ("started_at", "address", "shown_status", "model", "shown_tokens", "shown_charge", "shown_duration")
DETAILS = (
    (
        None,
        {
            "fields": (
                "id",
                "address",
                "model",
                "shown_status",
                "finish_reason",
                "stopped_by",
                "error",
                "request_id",
                "retry_of",
                "trace_id",
            )
        },
    ),
    (
        "Usage",
        {
            "fields": (
                "turns",
                "input_tokens",
                "cached_input_tokens",
                "output_tokens",
                "reasoning_tokens",
                "usage_source",
            )
        },
    ),
    ("Money", {"fields": ("shown_cost", "shown_charge", "test_mode")}),
    ("Time", {"fields": ("started_at", "first_chunk_at", "ended_at", "shown_duration")}),
)


class RunColumns:
    """How a run's figures are written, on both sites."""

    @display(description="Status", label=STATUS_LABELS)
    def shown_status(self, run: Run) -> str:
        """The status as a coloured word."""
        return run.get_status_display()

    @display(description="Tokens in / out")
    def shown_tokens(self, run: Run) -> str:
        """Both counts in one column."""
        return f"{run.input_tokens:,} / {run.output_tokens:,}"

    @display(description="Charged", ordering="charged_nanos")
    def shown_charge(self, run: Run) -> str:
        """What the caller paid."""
        return dollars(run.charged_nanos)

    @display(description="Provider's cost")
    def shown_cost(self, run: Run) -> str:
        """What the provider charges."""
        return dollars(run.cost_nanos)

    @display(description="Duration")
    def shown_duration(self, run: Run) -> str:
        """From the start to the end."""
        return f"{(run.ended_at - run.started_at).total_seconds():.2f} s" if run.ended_at else ""


def runs_seen_by(request: HttpRequest) -> QuerySet[Run]:
    """The runs an organization paid for; developers see those of their own keys."""
    runs = Run.objects.all()
    if sees_only_own(request):
        return runs.filter(key_id__in=ApiKey.objects.filter(created_by=signed_in(request)).values("pk"))
    return runs


class MemberRunAdmin(RunColumns, MemberAdmin):
    """The runs an organization paid for."""

    reads = USAGE_READ
    list_display: ClassVar = COLUMNS
    list_filter: ClassVar = ("status", "test_mode")
    search_fields: ClassVar = ("address", "request_id", "trace_id")
    date_hierarchy = "started_at"
    fieldsets: ClassVar = DETAILS
    change_form_outer_after_template = "console/run_money.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return runs_seen_by(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Below the run stands the money that moved for it."""
        money = {}
        if allows(request, BILLING_READ):
            run_id = uuid_or_404(object_id)
            charges = disputable(run_id, site="console", may_open=allows(request, BILLING_WRITE))
            money = {"receipt": receipt_of(run_id), "disputable": charges}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **money})

    def get_readonly_fields(self, request: HttpRequest, obj: Run | None = None) -> Any:
        return [name for _, group in DETAILS for name in group["fields"]]


class StaffRunAdmin(RunColumns, StaffRecordAdmin):
    """Everybody's runs, without what was said in them."""

    list_display: ClassVar = ("organization", *COLUMNS)
    list_filter: ClassVar = ("status", "test_mode")
    list_select_related: ClassVar = ("organization",)
    search_fields: ClassVar = ("address", "request_id", "trace_id", "organization__slug")
    date_hierarchy = "started_at"
    change_form_outer_after_template = "console/run_money.html"
    fieldsets: ClassVar = (("Organization", {"fields": ("organization", "agent_organization")}), *DETAILS)

    def get_readonly_fields(self, request: HttpRequest, obj: Run | None = None) -> Any:
        return ["organization", "agent_organization", *(name for _, group in DETAILS for name in group["fields"])]

    @display(description="Agent's organization")
    def agent_organization(self, run: Run) -> str:
        """Who earns from it."""
        return str(Organization.objects.filter(pk=run.agent_organization_id).first() or "")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Below the run stands the money that moved for it."""
        run_id = uuid_or_404(object_id)
        money = {"receipt": receipt_of(run_id), "disputable": disputable(run_id, site="admin")}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **money})
