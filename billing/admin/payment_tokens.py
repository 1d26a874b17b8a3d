"""Payment tokens: made here, shown once, looked at as the trees they are, and revoked."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold import widgets
from unfold.decorators import action, display

from billing import tokens
from billing.amounts import NANOS_PER_DOLLAR, dollars
from billing.dollar_fields import DollarsField
from billing.models import PaymentToken
from billing.tokens import Terms
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, seat_of, signed_in
from tenants.admin.shown_once import shown_once
from tenants.ids import uuid7
from tenants.permissions import BILLING_READ, TOKENS_WRITE
from tenants.secret import Secret

STATE_LABELS = {
    "active": "success",
    "exhausted": "warning",
    "early": "info",
    "expired": "warning",
    "revoked": "danger",
    "closed": "info",
    "suspended": "danger",
}
LIFETIMES = ((3_600, "1 hour"), (86_400, "1 day"), (7 * 86_400, "7 days"), (30 * 86_400, "30 days"))


class PaymentTokenForm(forms.ModelForm):
    """What a new token may spend, and for how long."""

    amount = DollarsField(
        label="Cap ($)",
        scale=NANOS_PER_DOLLAR,
        least=1,
        help_text="The most that it pays in all. Nothing is set aside before it is used.",
    )
    per_call = DollarsField(
        label="Cap of a request ($)",
        scale=NANOS_PER_DOLLAR,
        least=1,
        required=False,
        help_text="The most that it pays for one request; empty for as much as is left.",
    )
    lifetime = forms.TypedChoiceField(
        label="Good for", choices=LIFETIMES, coerce=int, initial=86_400, widget=widgets.UnfoldAdminSelectWidget()
    )

    class Meta:
        model = PaymentToken
        fields: ClassVar = ("name", "redelegate")
        labels: ClassVar = {"redelegate": "May be passed on"}
        help_texts: ClassVar = {
            "redelegate": "Whoever holds it may make children of it, each within what is left of it."
        }

    def clean(self) -> dict[str, Any]:
        """One request pays no more than all of them."""
        entered: dict[str, Any] = super().clean() or {}
        amount, per_call = entered.get("amount"), entered.get("per_call")
        if amount is not None and per_call is not None and per_call > amount:
            self.add_error("per_call", "This is more than the cap of the token.")
        return entered


class PaymentTokenColumns:
    """How a token is written, on both sites."""

    def get_queryset(self, request: HttpRequest) -> Any:
        """The rows with what is left of each."""
        return tokens.with_amounts(super().get_queryset(request))  # type: ignore[misc]  # an admin's

    @display(description="Token")
    def shown_token(self, token: PaymentToken) -> str:
        """What a person needs to recognise it; children stand behind an arrow for each that is above them."""
        return f"{'↳ ' * token.depth}{tokens.PREFIX}{token.public_id}…{token.last_four}"

    @display(description="State", label=STATE_LABELS)
    def shown_state(self, token: PaymentToken) -> str:
        """Whether it pays."""
        return tokens.of_row(token).shown_state

    @display(description="Cap", ordering="cap")
    def shown_cap(self, token: PaymentToken) -> str:
        """The most that it pays in all."""
        return dollars(token.cap)

    @display(description="Reserved")
    def shown_held(self, token: PaymentToken) -> str:
        """What its uses and its children have set aside."""
        return dollars(tokens.of_row(token).held_nanos)

    @display(description="Spent")
    def shown_spent(self, token: PaymentToken) -> str:
        """What was paid by it and by those below."""
        return dollars(tokens.of_row(token).spent_nanos)

    @display(description="Left")
    def shown_available(self, token: PaymentToken) -> str:
        """What it may still pay."""
        return dollars(tokens.of_row(token).available_nanos)

    @display(description="Cap of a request")
    def shown_per_call(self, token: PaymentToken) -> str:
        """The most that it pays for one request."""
        return "as much as is left" if token.max_per_call is None else dollars(token.max_per_call)

    @display(description="Pays for")
    def shown_audience(self, token: PaymentToken) -> str:
        """The agents that it is bound to."""
        return "every agent" if token.audience_names is None else ", ".join(token.audience_names)

    @display(description="Set aside")
    def shown_funded(self, token: PaymentToken) -> str:
        """Whether its cap is reserved already."""
        return "the whole cap" if token.hold_id else "nothing before it is used"


class MemberPaymentTokenAdmin(PaymentTokenColumns, MemberAdmin):
    """The organization's tokens, each tree together. A token is never edited: revoke it, make another."""

    reads = BILLING_READ
    writes = TOKENS_WRITE
    form = PaymentTokenForm
    list_display: ClassVar = (
        "shown_token", "name", "shown_state", "shown_cap", "shown_held", "shown_spent", "shown_available", "expires_at",
    )  # fmt: skip
    list_display_links: ClassVar = ("shown_token",)
    list_filter: ClassVar = ("status",)
    search_fields: ClassVar = ("name", "public_id")
    actions: ClassVar = ("revoke",)
    ordering: ClassVar = ("-root_id", "depth", "id")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody edits a token; the list still needs to know whether its actions may be used."""
        return obj is None and super().has_change_permission(request)

    def get_fields(self, request: HttpRequest, obj: PaymentToken | None = None) -> Any:
        if obj is None:
            return ("name", "amount", "per_call", "lifetime", "redelegate")
        return (
            *("name", "shown_token", "shown_state", "shown_cap", "shown_held", "shown_spent", "shown_available"),
            *("shown_per_call", "shown_audience", "shown_funded", "redelegate", "shown_parent", "shown_children"),
            *("not_before", "expires_at", "created_at", "ended_at"),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: PaymentToken | None = None) -> Any:
        return () if obj is None else self.get_fields(request, obj)

    @display(description="Made of")
    def shown_parent(self, token: PaymentToken) -> str | SafeString:
        """The token above it."""
        return _link(token.parent) if token.parent else "the wallet"

    @display(description="Passed on as")
    def shown_children(self, token: PaymentToken) -> str | SafeString:
        """The tokens below it."""
        children = token.children.order_by("id")[:100]
        return format_html_join(", ", "{}", ((_link(child),) for child in children)) or "nothing"

    def save_model(self, request: HttpRequest, obj: PaymentToken, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Make the token; its text waits on the request for the one page that shows it."""
        asked = form.cleaned_data
        minted = tokens.mint(
            id=uuid7(),
            organization_id=seat_of(request).organization.id,
            terms=Terms(
                cap_nanos=asked["amount"],
                max_per_call_nanos=asked["per_call"],
                lifetime=timedelta(seconds=asked["lifetime"]),
                redelegate=asked["redelegate"],
                name=asked["name"],
            ),
            actor=str(signed_in(request)),
        )
        obj.__dict__.update(PaymentToken.objects.get(pk=minted.permit.id).__dict__)
        request.minted = minted.secret  # type: ignore[attr-defined]  # for the one page that shows it

    def response_add(
        self, request: HttpRequest, obj: PaymentToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the token, this once."""
        secret: Secret = request.minted  # type: ignore[attr-defined]  # put there by save_model
        template = "console/new_payment_token.html"
        return shown_once(self, request, template=template, title="Your new payment token", secret=secret)

    @action(description="Revoke the selected tokens and all below them", permissions=("change",))
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        """End these tokens; what they pay for is stopped within seconds."""
        organization_id = seat_of(request).organization.id
        ended = sum(tokens.revoke(token.pk, organization_id=organization_id) for token in queryset)
        messages.success(request, f"Revoked {ended} token{'s' if ended != 1 else ''}.")


class StaffPaymentTokenAdmin(PaymentTokenColumns, StaffRecordAdmin):
    """Every organization's tokens, to look at."""

    list_display: ClassVar = (
        "organization", "shown_token", "name", "shown_state", "shown_cap", "shown_held", "shown_spent", "expires_at",
    )  # fmt: skip
    list_display_links: ClassVar = ("shown_token",)
    list_select_related: ClassVar = ("organization",)
    list_filter: ClassVar = ("status",)
    search_fields: ClassVar = ("name", "public_id", "organization__slug")
    ordering: ClassVar = ("-root_id", "depth", "id")
    fields: ClassVar = (
        *("organization", "name", "shown_token", "shown_state", "shown_cap", "shown_held", "shown_spent"),
        *("shown_available", "shown_per_call", "shown_audience", "shown_funded", "redelegate", "depth", "run_id"),
        *("not_before", "expires_at", "created_at", "ended_at"),
    )


def _link(token: PaymentToken) -> SafeString:
    address = reverse("console:billing_paymenttoken_change", args=(token.pk,))
    return format_html('<a class="text-primary-700 dark:text-primary-400 underline" href="{}">{}</a>', address, token)
