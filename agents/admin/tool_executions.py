"""Calls of tools that workers carry out: how far they are, and a way to stop one."""

import json
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from agents.errors import ToolExecutionNotFound, ToolExecutionOver
from agents.models import ToolExecution
from agents.models.tool_execution import OPEN_STATES
from agents.runtime.results import as_text
from agents.services import tool_executions
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, allows, uuid_or_404
from tenants.permissions import AGENTS_WRITE

STATE_LABELS = {
    "Queued": "info", "Running": "warning", "Succeeded": "success", "Failed": "danger", "Took too long": "danger",
    "Cancelled": "info", "Outcome unknown": "danger",
}  # fmt: skip
TIMES = ("queued_at", "started_at", "ended_at")


class ToolExecutionColumns:
    """How one is written, on both sites."""

    @display(description="State", label=STATE_LABELS)
    def shown_state(self, row: ToolExecution) -> str:
        """How far it is."""
        return row.get_state_display()

    @display(description="Progress")
    def shown_progress(self, row: ToolExecution) -> str:
        """How far the tool says it is."""
        if row.done is None:
            return "–"
        share = f"{row.done:g} of {row.total:g}" if row.total is not None else f"{row.done:g}"
        return f"{share}: {row.note}" if row.note else share

    @display(description="Arguments")
    def shown_arguments(self, row: ToolExecution) -> str:
        """What the tool is called with, a line for each."""
        try:
            return json.dumps(json.loads(row.arguments), indent=2, ensure_ascii=False)
        except ValueError:
            return row.arguments

    @display(description="Result")
    def shown_result(self, row: ToolExecution) -> str:
        """What it returned, or what went wrong."""
        return row.error or (as_text(row.content) if row.content is not None else "–")


class MemberToolExecutionAdmin(ToolExecutionColumns, MemberAdmin):
    """What workers do, or did, for the organization's runs."""

    reads = AGENTS_WRITE
    list_display: ClassVar = ("queued_at", "tool", "agent_slug", "shown_state", "shown_progress")
    list_filter: ClassVar = ("state",)
    search_fields: ClassVar = ("tool", "agent_slug")
    fields: ClassVar = (
        *("tool", "agent_slug", "run_id", "shown_state", "shown_progress", "shown_arguments", "shown_result"),
        *TIMES,
    )
    readonly_fields: ClassVar = fields
    change_form_outer_before_template = "console/tool_cancel.html"

    def get_urls(self) -> list[URLPattern]:
        cancel = path(
            "<uuid:execution_id>/cancel/", self.admin_site.admin_view(self.cancel), name="agents_toolexecution_cancel"
        )
        return [cancel, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """While it waits or works, there is a button above it."""
        row = tool_executions.find(uuid_or_404(object_id))
        shown = {"execution": row} if row is not None and row.state in OPEN_STATES else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def cancel(self, request: HttpRequest, execution_id: UUID) -> HttpResponse:
        """Stop it; the model is told."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not allows(request, AGENTS_WRITE):
            raise PermissionDenied
        try:
            tool_executions.cancel(execution_id)
        except ToolExecutionNotFound:
            raise Http404 from None
        except ToolExecutionOver as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "Cancelled. The model is told.")
        return HttpResponseRedirect(reverse("console:agents_toolexecution_change", args=(execution_id,)))


class StaffToolExecutionAdmin(ToolExecutionColumns, StaffRecordAdmin):
    """Everybody's, without what they were called with and what they returned."""

    list_display: ClassVar = ("queued_at", "organization", "tool", "agent_slug", "shown_state")
    list_filter: ClassVar = ("state",)
    list_select_related: ClassVar = ("organization",)
    search_fields: ClassVar = ("organization__slug", "tool", "agent_slug")
    fields: ClassVar = ("organization", "tool", "agent_slug", "run_id", "shown_state", "fence", *TIMES)
    readonly_fields: ClassVar = fields
