"""Payouts: batches that one person calculates and another approves; what creators earned, and where they want it."""

from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from billing import payouts
from billing.admin.moving import moving, say_who_approves
from billing.admin.payout_forms import OUTCOMES, STEPS, AccountForm, BatchForm, OutcomeForm, RetryForm, StepForm
from billing.amounts import dollars
from billing.errors import PayoutRefused
from billing.models import Payout, PayoutAccount, PayoutBatch
from tenants.admin.figures import Figure
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, allows, seat_of, signed_in
from tenants.permissions import BILLING_READ, BILLING_WRITE

BATCH_LABELS = {
    "Calculated": "warning", "Approved": "info", "Sending": "info", "Closed": "success", "Cancelled": "danger",
    "Partially failed": "danger",
}  # fmt: skip
PAYOUT_LABELS = {
    "Calculated": "info", "Pending": "info", "Sent": "info", "Paid": "success", "Failed": "danger",
    "Returned": "danger", "Cancelled": "danger",
}  # fmt: skip


class StaffPayoutBatchAdmin(StaffRecordAdmin):
    """The payouts of each month."""

    list_display: ClassVar = (
        "period", "rail", "shown_state", "shown_count", "shown_total", "calculated_by", "approved_by",
    )  # fmt: skip
    list_filter: ClassVar = ("state", "rail")
    ordering: ClassVar = ("-calculated_at",)
    actions_detail: ClassVar = ("approve", "cancel", "bank_file", "sent")
    fields: ClassVar = (
        *("id", "period", "rail", "shown_state", "shown_payouts", "shown_total", "shown_minimum", "hold_back_days"),
        *("calculated_by", "calculated_at", "approved_by", "approved_at", "closed_at"),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return payouts.batches()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_approve_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who moves money, and only what waits for it and somebody else calculated."""
        return self._may(request, object_id, "approve") and not self._calculated(request, object_id)

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The same for dropping one."""
        return self._may(request, object_id, "cancel")

    def has_sent_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """The same for what a bank sends."""
        return self._may(request, object_id, "sent")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One of them; who calculated it is told why there is no button."""
        if self._may(request, object_id, "approve") and self._calculated(request, object_id):
            say_who_approves(request)
        shown: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
        return shown

    @display(description="State", label=BATCH_LABELS)
    def shown_state(self, batch: PayoutBatch) -> str:
        """How far it is."""
        return batch.get_state_display()

    @display(description="Payouts")
    def shown_count(self, batch: Any) -> int:
        """How many there are."""
        return int(batch.count)

    @display(description="Payouts")
    def shown_payouts(self, batch: Any) -> SafeString:
        """How many there are, and where they are."""
        address = reverse(f"{self.admin_site.name}:billing_payout_changelist")
        many = f"{batch.count} payout{'' if batch.count == 1 else 's'}"
        return format_html('<a class="underline" href="{}?batch__id__exact={}">{}</a>', address, batch.pk, many)

    @display(description="In all")
    def shown_total(self, batch: Any) -> str:
        """What they come to."""
        return dollars(batch.total)

    @display(description="Smallest payout")
    def shown_minimum(self, batch: PayoutBatch) -> str:
        """What it was calculated with."""
        return dollars(batch.minimum)

    @action(description="Approve", icon="check", permissions=("approve",))
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page on which a second person approves."""
        return self._led_to("approve", object_id)

    @action(description="Cancel", icon="close", permissions=("cancel",))
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page on which it is dropped."""
        return self._led_to("cancel", object_id)

    @action(description="File for the bank", icon="download", permissions=("sent",))
    def bank_file(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The payouts as a table, with the accounts they go to."""
        try:
            lines = list(payouts.bank_file(UUID(object_id)))
        except PayoutRefused as refused:
            raise Http404 from refused
        response = HttpResponse("".join(lines), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="payouts-{object_id}.csv"'
        response["Cache-Control"] = "no-store"
        return response

    @action(description="The bank has it", icon="send", permissions=("sent",))
    def sent(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page on which it is said that the bank has the file."""
        return self._led_to("sent", object_id)

    def _may(self, request: HttpRequest, object_id: str | None, step: str) -> bool:
        if not request.user.is_superuser or object_id is None:
            return False
        found = PayoutBatch.objects.filter(pk=object_id, state__in=STEPS[step][3])
        return (found.filter(rail=PayoutBatch.Rail.MANUAL) if step == "sent" else found).exists()

    def _calculated(self, request: HttpRequest, object_id: str | None) -> bool:
        found = PayoutBatch.objects.filter(pk=object_id) if object_id else PayoutBatch.objects.none()
        return found.filter(calculated_by=str(signed_in(request))).exists()

    def _led_to(self, step: str, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(self._address("step", object_id, step))

    def _address(self, name: str, *args: Any) -> str:
        return reverse(f"{self.admin_site.name}:billing_payoutbatch_{name}", args=args)

    def get_urls(self) -> list[URLPattern]:
        step = path(
            "<uuid:batch_id>/step/<str:step>/", self.admin_site.admin_view(self.step_view),
            name="billing_payoutbatch_step",
        )  # fmt: skip
        return [step, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Calculate one."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return moving(request, self, BatchForm, back=self._address("changelist"), title="Calculate payouts")

    def step_view(self, request: HttpRequest, batch_id: UUID, step: str) -> HttpResponse:
        """Do something with one."""
        if not request.user.is_superuser:
            raise PermissionDenied
        found = self.get_queryset(request).filter(pk=batch_id).first()
        if found is None or step not in STEPS:
            raise Http404
        name, service, done, _ = STEPS[step]
        facts = [
            ("Month", found.period), ("Payouts", str(found.count)), ("In all", dollars(found.total)),
            ("Calculated by", found.calculated_by), ("State", found.get_state_display()),
        ]  # fmt: skip
        form_class = type(f"{step.title()}Form", (StepForm,), {"title": name, "verb": name})
        return moving(
            request, self, form_class, back=self._address("change", batch_id), title=f"{name}: {found}", facts=facts,
            about={"batch": found, "step": service, "done": done},
        )  # fmt: skip


class PayoutColumns:
    """How a payout is written, on both sites."""

    @display(description="Amount", ordering="amount")
    def shown_amount(self, payout: Payout) -> str:
        """In dollars."""
        return dollars(payout.amount)

    @display(description="Kept for refunds")
    def shown_clawback(self, payout: Payout) -> str:
        """What it was lessened by."""
        return dollars(payout.clawback)

    @display(description="State", label=PAYOUT_LABELS)
    def shown_state(self, payout: Payout) -> str:
        """Where the money is."""
        return payout.get_state_display()


class StaffPayoutAdmin(PayoutColumns, StaffRecordAdmin):
    """Each creator's money on its way out."""

    list_display: ClassVar = (
        "period",
        "organization",
        "shown_amount",
        "shown_state",
        "account",
        "failure_code",
        "paid_at",
    )
    list_filter: ClassVar = ("state", "rail", "period")
    list_select_related: ClassVar = ("organization", "account")
    search_fields: ClassVar = ("organization__slug", "external_ref")
    ordering: ClassVar = ("-created_at", "id")
    actions_detail: ClassVar = ("outcome", "retry")
    fields: ClassVar = (
        *("id", "batch", "organization", "account", "shown_amount", "shown_clawback", "shown_state", "rail"),
        *("external_ref", "attempt", "failure_code", "created_at", "sent_at", "paid_at", "group", "return_group"),
    )

    def has_outcome_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who moves money, and only what is on its way or was paid."""
        return self._may(request, object_id, *OUTCOMES)

    def has_retry_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who moves money, and only what failed."""
        return self._may(request, object_id, Payout.State.FAILED)

    @action(description="What became of it", icon="fact_check", permissions=("outcome",))
    def outcome(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page on which it is booked what the bank said."""
        return HttpResponseRedirect(self._address("outcome", object_id))

    @action(description="Try again", icon="replay", permissions=("retry",))
    def retry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page on which it is tried again."""
        return HttpResponseRedirect(self._address("retry", object_id))

    def _may(self, request: HttpRequest, object_id: str | None, *states: str) -> bool:
        if not request.user.is_superuser or object_id is None:
            return False
        return Payout.objects.filter(pk=object_id, state__in=states).exists()

    def _address(self, name: str, payout_id: str | UUID) -> str:
        return reverse(f"{self.admin_site.name}:billing_payout_{name}", args=(payout_id,))

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<uuid:payout_id>/{name}/",
                self.admin_site.admin_view(partial(self.payout_view, form_class=form_class)),
                name=f"billing_payout_{name}",
            )
            for name, form_class in (("outcome", OutcomeForm), ("retry", RetryForm))
        ]
        return [*own, *super().get_urls()]

    def payout_view(
        self, request: HttpRequest, payout_id: UUID, *, form_class: type[OutcomeForm | RetryForm]
    ) -> HttpResponse:
        """Book what became of one, or try it again."""
        if not request.user.is_superuser:
            raise PermissionDenied
        row = self.get_queryset(request).select_related("organization", "account").filter(pk=payout_id).first()
        if row is None:
            raise Http404
        facts = [
            ("Organization", str(row.organization)), ("Amount", dollars(row.amount)), ("Account", row.account.label),
            ("State", row.get_state_display()), ("Reference", row.external_ref or "–"),
            ("Failed with", row.failure_code or "–"),
        ]  # fmt: skip
        return moving(
            request, self, form_class, back=self._address("change", payout_id), title=f"{form_class.title}: {row}",
            facts=facts, about={"payout": row}, initial={"attempt": row.attempt},
        )  # fmt: skip


class StaffPayoutAccountAdmin(StaffRecordAdmin):
    """Where creators want their money, without the numbers."""

    list_display: ClassVar = ("organization", "label", "is_used", "entered_by", "created_at")
    list_select_related: ClassVar = ("organization",)
    search_fields: ClassVar = ("organization__slug", "organization__name")
    ordering: ClassVar = ("-created_at", "id")
    fields: ClassVar = ("organization", "label", "is_used", "entered_by", "created_at", "replaced_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("sealed")

    @display(description="In use", boolean=True)
    def is_used(self, account: PayoutAccount) -> bool:
        """Whether new payouts go there."""
        return account.replaced_at is None and account.data_key_id is not None


class MemberPayoutAdmin(PayoutColumns, MemberAdmin):
    """What the organization's agents earned, where it goes, and what was paid out of it."""

    reads = BILLING_READ
    list_before_template = "console/earnings.html"
    list_display: ClassVar = ("period", "shown_amount", "shown_clawback", "shown_state", "account", "paid_at")
    list_filter: ClassVar = ("state",)
    ordering: ClassVar = ("-created_at", "-id")
    fields: ClassVar = (
        *("period", "shown_amount", "shown_clawback", "shown_state", "account", "failure_code"),
        *("created_at", "sent_at", "paid_at"),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Those that were approved."""
        return super().get_queryset(request).exclude(state__in=("calculated", "cancelled")).select_related("account")

    def get_readonly_fields(self, request: HttpRequest, obj: Payout | None = None) -> Any:
        return self.fields

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """What was earned stands above what was paid out."""
        organization_id = seat_of(request).organization.id
        stands, account = payouts.position(organization_id), payouts.account_of(organization_id)
        on = payouts.terms()
        earned = {
            "figures": (
                Figure("Earned, not paid out", dollars(stands.balance_nanos)),
                Figure(f"Younger than {on.hold_back_days} days", dollars(stands.held_back_nanos)),
                Figure("In reserve", dollars(stands.reserve_nanos)),
                Figure("Owed for refunds", dollars(stands.clawback_nanos)),
                Figure("In the next payout", dollars(stands.payable_nanos)),
            ),
            "account": account.label if account else "",
            "least": dollars(on.minimum_nanos),
            "account_address": self._account_address() if allows(request, BILLING_WRITE) else "",
        }
        return super().changelist_view(request, {**(extra_context or {}), **earned})  # type: ignore[no-any-return]

    def get_urls(self) -> list[URLPattern]:
        account = path(
            "account/", self.admin_site.admin_view(self.account_view), name="billing_payout_account"
        )  # fmt: skip
        return [account, *super().get_urls()]

    def account_view(self, request: HttpRequest) -> HttpResponse:
        """Say where earnings are to be sent."""
        if not allows(request, BILLING_WRITE):
            raise PermissionDenied
        organization_id = seat_of(request).organization.id
        used = payouts.account_of(organization_id)
        return moving(
            request, self, AccountForm, back=reverse(f"{self.admin_site.name}:billing_payout_changelist"),
            title="Where earnings are sent", facts=[("So far", used.label if used else "Nowhere")],
            about={"organization_id": organization_id},
        )  # fmt: skip

    def _account_address(self) -> str:
        return reverse(f"{self.admin_site.name}:billing_payout_account")
