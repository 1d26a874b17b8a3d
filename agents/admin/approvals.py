"""Calls of tools that wait for a member's word."""

import json
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from agents.errors import ApprovalNotFound, ApprovalOver
from agents.models import Approval
from agents.models.approval import ApprovalState
from agents.services import approvals
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, allows, signed_in, uuid_or_404
from tenants.permissions import AGENTS_WRITE

STATE_LABELS = {"Waiting": "warning", "Approved": "success", "Declined": "danger", "Nobody decided": "info"}
FIELDS = (
    "tool", "agent_slug", "reason", "shown_arguments", "shown_state", "run_id", "asked_at", "expires_at", "decided_by",
    "decided_at",
)  # fmt: skip


class ApprovalColumns:
    """How a question is written, on both sites."""

    @display(description="Arguments")
    def shown_arguments(self, approval: Approval) -> str:
        """What the tool would be called with, a line for each."""
        try:
            return json.dumps(json.loads(approval.arguments), indent=2, ensure_ascii=False)
        except ValueError:
            return approval.arguments

    @display(description="State", label=STATE_LABELS)
    def shown_state(self, approval: Approval) -> str:
        """How far it is; whoever was killed while it waited does not wait any more."""
        if approval.state == ApprovalState.PENDING and not approval.is_waiting:
            return str(ApprovalState.EXPIRED.label)
        return approval.get_state_display()


class MemberApprovalAdmin(ApprovalColumns, MemberAdmin):
    """What the organization's agents ask their people."""

    reads = AGENTS_WRITE
    list_display: ClassVar = ("asked_at", "tool", "agent_slug", "shown_state", "decided_by")
    list_filter: ClassVar = ("state",)
    list_select_related: ClassVar = ("decided_by",)
    search_fields: ClassVar = ("tool", "agent_slug")
    fields: ClassVar = FIELDS
    readonly_fields: ClassVar = FIELDS
    change_form_outer_before_template = "console/approval_decision.html"

    def get_urls(self) -> list[URLPattern]:
        decide = path(
            "<uuid:approval_id>/decide/", self.admin_site.admin_view(self.decide), name="agents_approval_decide"
        )
        return [decide, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """While the run waits, the question stands above two buttons."""
        pending = approvals.find(uuid_or_404(object_id))
        shown = {"approval": pending} if pending is not None and pending.is_waiting else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def decide(self, request: HttpRequest, approval_id: UUID) -> HttpResponse:
        """Let it be done, or not."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not allows(request, AGENTS_WRITE):
            raise PermissionDenied
        approved = request.POST.get("decision") == "approve"
        try:
            approvals.decide(approval_id, approved=approved, user_id=signed_in(request).pk)
        except ApprovalNotFound:
            raise Http404 from None
        except ApprovalOver as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "Approved. The run goes on." if approved else "Declined. The model is told.")
        return HttpResponseRedirect(reverse("console:agents_approval_changelist"))


class StaffApprovalAdmin(ApprovalColumns, StaffRecordAdmin):
    """Everybody's questions, without what the tools would be called with."""

    list_display: ClassVar = ("asked_at", "organization", "tool", "agent_slug", "shown_state")
    list_filter: ClassVar = ("state",)
    list_select_related: ClassVar = ("organization",)
    search_fields: ClassVar = ("organization__slug", "tool", "agent_slug")
    fields: ClassVar = ("organization", *(name for name in FIELDS if name != "shown_arguments"))
    readonly_fields: ClassVar = fields
