"""Claims of banks: which the books do not show yet, and what somebody said about those that they never will."""

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold import widgets
from unfold.decorators import action, display

from billing import bank_claims
from billing.admin.move_forms import MoveForm
from billing.admin.moving import moving
from billing.amounts import dollars
from billing.models import BankClaim
from tenants.admin.seats import StaffRecordAdmin

STATE_LABELS = {"Not in the books": "danger", "Booked": "success", "Takes nothing": "info", "Explained": "info"}
OUTCOMES = {
    "": "Not tried yet: the payment company has not answered.",
    "made": "Booked as a chargeback.",
    "ignored": "The bank takes nothing, or the payment is none of ours.",
    "another_currency": "It is in another currency than dollars.",
    "not_credited": "The payment was never credited to a wallet.",
    "returned": "The payment has gone back already, or less was credited than the bank takes.",
    "conflict": "It was booked with another amount.",
    "no_wallet": "The wallet is not there any more.",
}


class ExplainClaimForm(MoveForm):
    """What became of a claim that the books do not take."""

    title = "Explain a bank's claim"
    verb = "Explain it"
    explanation = forms.CharField(
        label="What became of it",
        max_length=500,
        help_text="Such as the adjustment that was made instead; it stays for good, and the claim is not tried again.",
        widget=widgets.UnfoldAdminTextareaWidget(),
    )

    def move(self, *, actor: str) -> str:
        """Keep it."""
        bank_claims.explain(id=self.about["claim"].pk, explanation=self.cleaned_data["explanation"], actor=actor)
        return "The claim is explained."


class StaffBankClaimAdmin(StaffRecordAdmin):
    """What banks want back of card payments. What is open is tried again by itself; nothing of it is edited."""

    list_display: ClassVar = (
        *("received_at", "external_id", "shown_amount", "shown_organization", "shown_state", "shown_outcome"),
        "next_look_at",
    )
    list_filter: ClassVar = ("state", "rail")
    list_select_related: ClassVar = ("top_up__organization",)
    search_fields: ClassVar = ("external_id", "top_up__payment_id", "top_up__organization__slug")
    ordering: ClassVar = ("-received_at", "id")
    fields: ClassVar = (
        *("id", "rail", "external_id", "shown_amount", "shown_organization", "top_up", "reason", "shown_state"),
        *("shown_outcome", "looks", "next_look_at", "received_at", "ended_at", "explanation", "explained_by"),
    )
    readonly_fields: ClassVar = fields
    actions_detail: ClassVar = ("explain",)

    @display(description="Amount", ordering="amount")
    def shown_amount(self, claim: BankClaim) -> str:
        """In dollars, once it is known."""
        return "" if claim.amount is None else dollars(claim.amount)

    @display(description="Organization")
    def shown_organization(self, claim: BankClaim) -> str:
        """Whose payment it is about."""
        return str(claim.top_up.organization) if claim.top_up else ""

    @display(description="State", label=STATE_LABELS)
    def shown_state(self, claim: BankClaim) -> str:
        """Whether anything is left to do."""
        return claim.get_state_display()

    @display(description="Last attempt")
    def shown_outcome(self, claim: BankClaim) -> str:
        """What it came to, in words."""
        return OUTCOMES.get(claim.outcome, claim.outcome)

    def has_explain_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Superusers explain, and only what is open."""
        is_open = object_id is None or BankClaim.objects.filter(pk=object_id, state=BankClaim.State.OPEN).exists()
        return bool(request.user.is_superuser) and is_open

    @action(description="Explain", icon="edit_note", permissions=("explain",))
    def explain(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the form."""
        return HttpResponseRedirect(self._address("explain", object_id))

    def get_urls(self) -> list[URLPattern]:
        explain = path(
            "<uuid:claim_id>/explain/",
            self.admin_site.admin_view(self.explain_view),
            name="billing_bankclaim_explain",
        )
        return [explain, *super().get_urls()]

    def explain_view(self, request: HttpRequest, claim_id: UUID) -> HttpResponse:
        """Take the explanation."""
        if not request.user.is_superuser:
            raise PermissionDenied
        claim = self.get_queryset(request).select_related("top_up__organization").filter(pk=claim_id).first()
        if claim is None:
            raise Http404
        facts = [
            ("Claim", claim.external_id), ("Amount", self.shown_amount(claim)),
            ("Organization", self.shown_organization(claim)), ("Last attempt", self.shown_outcome(claim)),
        ]  # fmt: skip
        return moving(
            request, self, ExplainClaimForm, back=self._address("change", claim_id), title=ExplainClaimForm.title,
            facts=facts, about={"claim": claim},
        )  # fmt: skip

    def _address(self, page: str, *args: Any) -> str:
        return reverse(f"{self.admin_site.name}:billing_bankclaim_{page}", args=args)
