"""Statements: months that are closed, to be read, and taken along as PDF and CSV."""

from typing import Any, ClassVar

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import action, display

from billing import downloads
from billing.amounts import dollars
from billing.models import Statement
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin
from tenants.permissions import BILLING_READ


def _amount(name: str, description: str) -> Any:
    """A column of dollars."""

    @display(description=description)
    def shown(self: Any, statement: Statement) -> str:
        """In dollars."""
        return dollars(getattr(statement, name))

    return shown


class StatementPages:
    """How a statement is written and taken along, on both sites."""

    actions_detail: ClassVar = ("pdf", "table")
    actions_row: ClassVar = ("pdf", "table")
    ordering: ClassVar = ("-period", "id")
    fields: ClassVar[tuple[str, ...]] = (
        *("period", "time_zone", "starts_at", "ends_at", "shown_opening", "shown_top_ups", "shown_grants"),
        *("shown_usage", "shown_refunds", "shown_expiries", "shown_adjustments", "shown_closing", "transfers"),
        "closed_at",
    )
    shown_opening = _amount("opening", "Opening balance")
    shown_top_ups = _amount("top_ups", "Top-ups")
    shown_grants = _amount("grants", "Credit given")
    shown_usage = _amount("usage", "Usage")
    shown_refunds = _amount("refunds", "Refunds")
    shown_expiries = _amount("expiries", "Credit expired")
    shown_adjustments = _amount("adjustments", "Adjustments")
    shown_closing = _amount("closing", "Closing balance")

    @action(description="PDF", icon="picture_as_pdf")
    def pdf(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the printed statement."""
        return self._led_to("pdf", object_id)

    @action(description="CSV", icon="table")
    def table(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to its transfers as a table."""
        return self._led_to("csv", object_id)

    def _led_to(self, kind: str, object_id: int) -> HttpResponse:
        site = self.admin_site.name  # type: ignore[attr-defined]  # an admin's
        return HttpResponseRedirect(reverse(f"{site}:billing_statement_{kind}", args=(object_id,)))

    def get_urls(self) -> list[URLPattern]:
        """The pages of every admin, and the files."""
        wrap = self.admin_site.admin_view  # type: ignore[attr-defined]  # an admin's
        files = [
            path(f"<int:statement_id>/{kind}/", wrap(view), name=f"billing_statement_{kind}")
            for kind, view in (("pdf", self.pdf_view), ("csv", self.csv_view))
        ]
        return [*files, *super().get_urls()]  # type: ignore[misc]  # an admin's

    def pdf_view(self, request: HttpRequest, statement_id: int) -> HttpResponse:
        """The file that was printed when the month was closed."""
        return downloads.pdf(self._found(request, statement_id))

    def csv_view(self, request: HttpRequest, statement_id: int) -> StreamingHttpResponse:
        """Every transfer, with the balance after it."""
        return downloads.csv(self._found(request, statement_id))

    def _found(self, request: HttpRequest, statement_id: int) -> Statement:
        if not self.has_view_permission(request):  # type: ignore[attr-defined]  # an admin's
            raise Http404
        found: Statement | None = self.get_queryset(request).filter(pk=statement_id).first()  # type: ignore[attr-defined]
        if found is None:
            raise Http404
        return found


class MemberStatementAdmin(StatementPages, MemberAdmin):
    """The organization's own."""

    reads = BILLING_READ
    list_display: ClassVar = (
        "period", "shown_opening", "shown_top_ups", "shown_usage", "shown_closing", "transfers",
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Statement | None = None) -> Any:
        return self.fields


class StaffStatementAdmin(StatementPages, StaffRecordAdmin):
    """Everybody's."""

    list_display: ClassVar = (
        "period", "organization", "shown_opening", "shown_top_ups", "shown_usage", "shown_closing", "transfers",
    )  # fmt: skip
    list_select_related: ClassVar = ("organization",)
    list_filter: ClassVar = ("period",)
    search_fields: ClassVar = ("organization__slug", "period")
    fields: ClassVar = ("organization", *StatementPages.fields)
