"""Disputes: opened by members at a charge of theirs, decided by staff with a refund of it or with a no."""

from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold import widgets
from unfold.decorators import action, display

from billing import disputes, refunds
from billing.admin.move_forms import MoveForm, words
from billing.admin.moving import moving
from billing.amounts import NANOS_PER_DOLLAR, dollars, plain
from billing.models import Dispute
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, seat_of
from tenants.permissions import BILLING_READ, BILLING_WRITE

STATE_LABELS = {"Open": "warning", "Refunded": "success", "Rejected": "danger"}
_LINK = '<a class="text-primary-700 dark:text-primary-400 underline" href="{}">{}</a>'


class DisputeForm(MoveForm):
    """What is wrong with a charge."""

    title = "Dispute a charge"
    verb = "Dispute it"
    charge_id = forms.UUIDField(
        label="Charge",
        widget=widgets.UnfoldAdminTextInputWidget(),
        help_text="Its id; the run's page leads here with it.",
    )
    reason = forms.ChoiceField(
        label="What is wrong", choices=Dispute.Reason.choices, widget=widgets.UnfoldAdminSelectWidget()
    )
    remark = forms.CharField(
        label="What happened", required=False, max_length=500, widget=widgets.UnfoldAdminTextareaWidget(),
        help_text="The platform's staff reads it.",
    )  # fmt: skip

    def move(self, *, actor: str) -> str:
        """Open it."""
        asked, organization = self.cleaned_data, self.about["organization"]
        disputes.open_dispute(
            id=asked["id"], organization_id=organization.id, charge_id=asked["charge_id"], reason=asked["reason"],
            remark=asked["remark"], actor=actor,
        )  # fmt: skip
        return "The charge is disputed. You are told when it is decided."


class RejectDisputeForm(MoveForm):
    """A no, with its reason."""

    title = "Reject a dispute"
    verb = "Reject it"
    answer = words("Why", longest=500, help_text="The organization is told so, word for word.")

    def move(self, *, actor: str) -> str:
        """Say it."""
        disputes.reject(id=self.about["dispute"].pk, answer=self.cleaned_data["answer"], actor=actor)
        return "The dispute is rejected."


class DisputeColumns:
    """How a dispute is written, on both sites."""

    def get_queryset(self, request: HttpRequest) -> Any:
        """The rows with the charges that they are about."""
        rows = super().get_queryset(request)  # type: ignore[misc]  # an admin's
        return rows.select_related("organization", "settlement__hold__charge", "refund")

    @display(description="State", label=STATE_LABELS)
    def shown_state(self, dispute: Dispute) -> str:
        """How far it is."""
        return dispute.get_state_display()

    @display(description="What for")
    def shown_reference(self, dispute: Dispute) -> str:
        """The agent, as its caller addressed it."""
        return dispute.settlement.hold.charge.reference

    @display(description="Charged")
    def shown_charged(self, dispute: Dispute) -> str:
        """What it is about."""
        return dollars(dispute.settlement.charged)

    @display(description="Given back")
    def shown_refunded(self, dispute: Dispute) -> str:
        """What came of it."""
        return dollars(dispute.refunded) if dispute.refund_id else ""


class MemberDisputeAdmin(DisputeColumns, MemberAdmin):
    """What the organization does not agree with. A dispute is opened, and never edited."""

    reads = BILLING_READ
    writes = BILLING_WRITE
    list_display: ClassVar = (
        "opened_at",
        "shown_reference",
        "shown_charged",
        "reason",
        "shown_state",
        "shown_refunded",
    )
    list_filter: ClassVar = ("state", "reason")
    ordering: ClassVar = ("-opened_at", "id")
    fields: ClassVar = (
        *("shown_charge", "shown_reference", "shown_charged", "reason", "note", "shown_state", "answer"),
        *("shown_refunded", "opened_by", "opened_at", "decided_at"),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    @display(description="Charge")
    def shown_charge(self, dispute: Dispute) -> SafeString:
        """The way to the run that was charged."""
        hold = dispute.settlement.hold
        return format_html(_LINK, reverse("console:agents_run_change", args=(hold.charge.run_id,)), hold.charge_id)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Open one."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        charge = {"charge_id": request.GET["charge"]} if "charge" in request.GET else {}
        back = reverse("console:billing_dispute_changelist")
        about = {"organization": seat_of(request).organization}
        return moving(request, self, DisputeForm, back=back, title=DisputeForm.title, about=about, initial=charge)


class StaffDisputeAdmin(DisputeColumns, StaffRecordAdmin):
    """What organizations do not agree with. A refund of the charge decides a dispute, and so does a no."""

    list_display: ClassVar = (
        "opened_at", "organization", "shown_reference", "shown_charged", "reason", "shown_state", "decided_by",
    )  # fmt: skip
    list_filter: ClassVar = ("state", "reason")
    search_fields: ClassVar = ("organization__slug", "settlement__hold__charge__reference")
    ordering: ClassVar = ("-opened_at", "id")
    fields: ClassVar = (
        *("id", "organization", "shown_charge", "shown_reference", "shown_charged", "reason", "note", "shown_state"),
        *("opened_by", "opened_at", "answer", "shown_refunded", "refund", "decided_by", "decided_at"),
    )
    readonly_fields: ClassVar = fields
    actions_detail: ClassVar = ("give_back", "reject")

    @display(description="Charge")
    def shown_charge(self, dispute: Dispute) -> SafeString:
        """The way to everything that is known of the charge."""
        charge_id = dispute.settlement.hold.charge_id
        return format_html(_LINK, reverse(f"{self.admin_site.name}:billing_chain", args=(charge_id,)), charge_id)

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Superusers decide, and only what is open."""
        if not request.user.is_superuser or object_id is None:
            return False
        return Dispute.objects.filter(pk=object_id, state=Dispute.State.OPEN).exists()

    @action(description="Refund the charge", icon="undo", permissions=("decide",))
    def give_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the form on which refunds are made, filled in; the refund decides the dispute."""
        dispute = Dispute.objects.get(pk=object_id)
        given = {
            "hold_id": dispute.settlement_id, "reason": "dispute",
            "amount": plain(refunds.refundable(dispute.settlement_id), scale=NANOS_PER_DOLLAR),
        }  # fmt: skip
        return HttpResponseRedirect(f"{reverse(f'{self.admin_site.name}:billing_refund_add')}?{urlencode(given)}")

    @action(description="Reject", icon="close", permissions=("decide",))
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the form on which it is said why not."""
        return HttpResponseRedirect(self._address("reject", object_id))

    def get_urls(self) -> list[URLPattern]:
        reject = path(
            "<uuid:dispute_id>/reject/", self.admin_site.admin_view(self.reject_view), name="billing_dispute_reject"
        )
        return [reject, *super().get_urls()]

    def reject_view(self, request: HttpRequest, dispute_id: UUID) -> HttpResponse:
        """Say no."""
        if not request.user.is_superuser:
            raise PermissionDenied
        dispute = self.get_queryset(request).filter(pk=dispute_id).first()
        if dispute is None:
            raise Http404
        facts = [
            ("Organization", str(dispute.organization)), ("Charged", self.shown_charged(dispute)),
            ("What is wrong", dispute.get_reason_display()), ("What happened", dispute.note),
        ]  # fmt: skip
        return moving(
            request, self, RejectDisputeForm, back=self._address("change", dispute_id), facts=facts,
            title=RejectDisputeForm.title, about={"dispute": dispute},
        )  # fmt: skip

    def _address(self, page: str, *args: Any) -> str:
        return reverse(f"{self.admin_site.name}:billing_dispute_{page}", args=args)
