"""Reconciliations as staff read them, and the differences that somebody has to explain."""

from typing import ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin import EmptyFieldListFilter
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from unfold import widgets
from unfold.decorators import action, display

from billing import reconcile
from billing.admin.cards import money
from billing.models import Discrepancy, Reconciliation
from tenants import audit
from tenants.admin.seats import StaffRecordAdmin
from tenants.context import atomic

_IN_DOLLARS = ("R1", "R5", "R9", "R12")


class StaffReconciliationAdmin(StaffRecordAdmin):
    """What each reconciliation found, rule by rule."""

    list_display: ClassVar = ("day", "created_at", "breaks", "actor")
    list_filter: ClassVar = ("day",)
    ordering: ClassVar = ("-id",)
    fields: ClassVar = ("day", "created_at", "actor", "breaks", "took_ms", "shown_findings")
    readonly_fields: ClassVar = fields

    @display(description="Findings")
    def shown_findings(self, kept: Reconciliation) -> str:
        """A line for each rule; what is broken says what it differs by."""
        lines = format_html_join(
            "",
            '<li class="{}"><span>{} {}: {}</span><span>{}</span></li>',
            (
                (
                    "broken" if found["state"] == "broken" else "",
                    found["rule"],
                    found["check"],
                    found["state"],
                    found["detail"],
                )
                for found in kept.findings
            ),
        )
        return format_html('<ul class="checks">{}</ul>', lines)


class ExplainForm(forms.Form):
    """Where a difference comes from."""

    explanation = forms.CharField(
        label="Where the difference comes from",
        max_length=500,
        help_text="Such as the ticket, the provider's answer, or the adjustment that was made; it stays for good.",
        widget=widgets.UnfoldAdminTextareaWidget(),
    )


class StaffDiscrepancyAdmin(StaffRecordAdmin):
    """What differed, and what somebody said about it. Open ones come first."""

    list_display: ClassVar = ("subject", "rule", "shown_ours", "shown_theirs", "created_at", "explained_at")
    list_filter: ClassVar = ("rule", ("explained_at", EmptyFieldListFilter))
    search_fields: ClassVar = ("subject", "explanation")
    ordering: ClassVar = ("-explained_at", "-id")
    fields: ClassVar = (
        *("rule", "subject", "shown_ours", "shown_theirs", "created_at", "reconciliation"),
        *("explanation", "explained_by", "explained_at"),
    )
    readonly_fields: ClassVar = fields
    actions_detail: ClassVar = ("explain",)

    @display(description="Ours")
    def shown_ours(self, ticket: Discrepancy) -> str:
        """What the books say: dollars where two amounts differ, else how many rows do."""
        return money(ticket.ours) if ticket.rule in _IN_DOLLARS else str(ticket.ours)

    @display(description="Theirs")
    def shown_theirs(self, ticket: Discrepancy) -> str:
        """What the other side says."""
        return money(ticket.theirs) if ticket.rule in _IN_DOLLARS else str(ticket.theirs)

    def has_explain_permission(self, request: HttpRequest, object_id: str | int | None = None) -> bool:
        """Superusers explain, and what is explained stays so."""
        is_open = object_id is None or Discrepancy.objects.filter(pk=object_id, explained_at=None).exists()
        return bool(request.user.is_superuser) and is_open

    @action(description="Explain", icon="edit_note", permissions=("explain",))
    def explain(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the form."""
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:billing_discrepancy_explain", args=(object_id,)))

    def get_urls(self) -> list[URLPattern]:
        explain = path(
            "<int:ticket_id>/explain/",
            self.admin_site.admin_view(self.explain_view),
            name="billing_discrepancy_explain",
        )
        return [explain, *super().get_urls()]

    def explain_view(self, request: HttpRequest, ticket_id: int) -> HttpResponse:
        """Take the explanation, once."""
        ticket = Discrepancy.objects.filter(pk=ticket_id).first()
        if ticket is None or not request.user.is_superuser:
            raise Http404
        form = ExplainForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            return self._explained(request, ticket, form.cleaned_data["explanation"])
        context = {
            **self.admin_site.each_context(request),
            "title": "Explain a difference",
            "opts": self.opts,
            "form": form,
            "ticket": ticket,
        }
        return TemplateResponse(request, "admin/billing/explain.html", context)

    def _explained(self, request: HttpRequest, ticket: Discrepancy, explanation: str) -> HttpResponse:
        try:
            with atomic():
                reconcile.explain(ticket.pk, explanation=explanation, actor=str(request.user))
                audit.record(action="discrepancy.explained", object=ticket, detail={"explanation": explanation})
        except reconcile.AlreadyExplained as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "The difference is explained.")
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:billing_discrepancy_change", args=(ticket.pk,)))
