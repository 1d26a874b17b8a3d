"""Accounts, and money coming into wallets."""

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold import widgets
from unfold.decorators import action, display

from billing import ledger
from billing.amounts import NANOS_PER_DOLLAR, dollars
from billing.errors import BillingError
from billing.models import Account, TopUp
from tenants import audit
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin
from tenants.context import atomic
from tenants.ids import uuid7
from tenants.permissions import BILLING_READ


def name_of(account: Account) -> str:
    """An account as people speak of it: whose it is, and what kind."""
    owner = account.organization.name if account.organization else "Platform"
    return f"{owner}: {account.get_kind_display().removeprefix('Platform ').lower()}"


class AccountColumns:
    """How an account is written, on both sites."""

    @display(description="Paid in and not spent")
    def shown_posted(self, account: Account) -> str:
        """What was posted to a wallet, less what was spent."""
        return dollars(account.credits_posted - account.debits_posted) if account.enforced else ""

    @display(description="Reserved by runs")
    def shown_held(self, account: Account) -> str:
        """What open holds have set aside."""
        return dollars(account.debits_pending) if account.enforced else ""

    @display(description="Available")
    def shown_available(self, account: Account) -> str:
        """What may still be spent."""
        return dollars(account.available) if account.enforced else ""


class MemberWalletAdmin(AccountColumns, MemberAdmin):
    """The organization's own wallet."""

    reads = BILLING_READ
    list_display: ClassVar = ("kind", "shown_available", "shown_held", "shown_posted", "status")
    ordering: ClassVar = ("id",)
    fields: ClassVar = ("kind", "shown_available", "shown_held", "shown_posted", "status", "created_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(kind=Account.Kind.WALLET)

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> Any:
        return self.fields


class TopUpForm(forms.Form):
    """How much money came in, and how it can be found outside."""

    amount = forms.DecimalField(
        label="Amount ($)",
        min_value=Decimal("0.01"),
        max_value=Decimal(1_000_000),
        decimal_places=9,
        widget=widgets.UnfoldAdminDecimalFieldWidget(),
    )
    reference = forms.CharField(
        label="Reason or reference",
        max_length=200,
        help_text="Such as the bank's reference or the ticket; it stays in the books for good.",
        widget=widgets.UnfoldAdminTextInputWidget(),
    )
    id = forms.UUIDField(widget=forms.HiddenInput())


class StaffAccountAdmin(AccountColumns, StaffRecordAdmin):
    """Every account. Totals are the database's; only a top-up can be entered."""

    list_display: ClassVar = ("shown_name", "kind", "shown_available", "shown_held", "shown_posted", "status")
    ordering: ClassVar = ("kind", "id")
    list_filter: ClassVar = ("kind", "status")
    list_select_related: ClassVar = ("organization",)
    search_fields: ClassVar = ("code", "organization__slug", "organization__name")
    fields: ClassVar = (
        *("code", "kind", "organization", "status", "shown_available", "shown_held", "shown_posted"),
        *("credit_limit", "created_at"),
    )
    actions_row: ClassVar = ("top_up",)
    actions_detail: ClassVar = ("top_up",)

    @display(description="Account", ordering="organization__name")
    def shown_name(self, account: Account) -> str:
        """Whose it is, and what kind."""
        return name_of(account)

    def has_top_up_permission(self, request: HttpRequest, object_id: str | int | None = None) -> bool:
        """Money is entered by superusers only."""
        return bool(request.user.is_superuser)

    @action(description="Top up", icon="add_card", permissions=("top_up",))
    def top_up(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the form on which money is entered."""
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:billing_account_enter", args=(object_id,)))

    def get_urls(self) -> list[URLPattern]:
        enter = path(
            "<int:account_id>/enter/", self.admin_site.admin_view(self.enter_view), name="billing_account_enter"
        )
        return [enter, *super().get_urls()]

    def enter_view(self, request: HttpRequest, account_id: int) -> HttpResponse:
        """Credit a wallet; sending the form twice credits once."""
        wallet = Account.objects.filter(pk=account_id, kind=Account.Kind.WALLET).select_related("organization").first()
        if wallet is None or not self.has_top_up_permission(request):
            raise Http404
        form = TopUpForm(request.POST if request.method == "POST" else None, initial={"id": uuid7()})
        if request.method == "POST" and form.is_valid():
            return self._credit(request, wallet, form.cleaned_data)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Top up {wallet.organization}",
            "opts": self.opts,
            "form": form,
            "available": dollars(wallet.available),
        }
        return TemplateResponse(request, "admin/top_up.html", context)

    def _credit(self, request: HttpRequest, wallet: Account, entered: dict[str, Any]) -> HttpResponse:
        nanos = int(entered["amount"] * NANOS_PER_DOLLAR)
        is_new = not TopUp.objects.filter(pk=entered["id"]).exists()
        try:
            with atomic():
                ledger.top_up(
                    id=entered["id"],
                    organization_id=wallet.organization_id,
                    amount_nanos=nanos,
                    reference=entered["reference"],
                    actor=str(request.user),
                )
                if is_new:
                    audit.record(
                        action="wallet.topped_up",
                        object=wallet,
                        organization_id=wallet.organization_id,
                        detail={"amount": dollars(nanos), "reference": entered["reference"]},
                    )
        except BillingError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{dollars(nanos)} credited to {wallet.organization}.")
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:billing_account_change", args=(wallet.pk,)))
