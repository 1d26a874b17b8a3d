"""Accounts, and what staff does about wallets."""

from functools import partial
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import action, display

from billing.admin.move_forms import ChargebackForm, LimitForm, MoveForm, StandingForm
from billing.admin.moving import moving
from billing.amounts import dollars
from billing.models import Account
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin
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


class StaffAccountAdmin(AccountColumns, StaffRecordAdmin):
    """Every account. Totals are the database's; what moves money has pages of its own."""

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
    actions_detail: ClassVar = ("top_up", "give", "freeze", "limit", "take_back")

    @display(description="Account", ordering="organization__name")
    def shown_name(self, account: Account) -> str:
        """Whose it is, and what kind."""
        return name_of(account)

    def has_move_permission(self, request: HttpRequest, object_id: str | int | None = None) -> bool:
        """Money is moved by superusers only."""
        return bool(request.user.is_superuser)

    @action(description="Top up", icon="add_card", permissions=("move",))
    def top_up(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the form on which money is entered."""
        return self._led_to("topup", object_id)

    @action(description="Give credit", icon="redeem", permissions=("move",))
    def give(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the form on which credit is given."""
        return self._led_to("grant", object_id)

    @action(description="Freeze or open", icon="ac_unit", permissions=("move",))
    def freeze(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the form on which the wallet is stopped, or goes on."""
        return HttpResponseRedirect(self._address("standing", object_id))

    @action(description="Set the credit limit", icon="credit_score", permissions=("move",))
    def limit(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the form on which it is said how far the wallet may go below zero."""
        return HttpResponseRedirect(self._address("limit", object_id))

    @action(description="Book a chargeback", icon="undo", permissions=("move",))
    def take_back(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the form on which it is said what a bank took back."""
        return HttpResponseRedirect(self._address("chargeback", object_id))

    def _led_to(self, model: str, object_id: int) -> HttpResponse:
        organization = self._wallet(object_id).organization
        assert organization is not None
        address = reverse(f"{self.admin_site.name}:billing_{model}_add")
        return HttpResponseRedirect(f"{address}?organization={organization.slug}")

    def _address(self, page: str, account_id: int) -> str:
        return reverse(f"{self.admin_site.name}:billing_account_{page}", args=(account_id,))

    def get_urls(self) -> list[URLPattern]:
        forms: dict[str, type[MoveForm]] = {
            "standing": StandingForm, "limit": LimitForm, "chargeback": ChargebackForm,
        }  # fmt: skip
        own = [
            path(
                f"<int:account_id>/{name}/",
                self.admin_site.admin_view(partial(self.wallet_view, form_class=form_class)),
                name=f"billing_account_{name}",
            )
            for name, form_class in forms.items()
        ]
        return [*own, *super().get_urls()]

    def wallet_view(self, request: HttpRequest, account_id: int, *, form_class: type[MoveForm]) -> HttpResponse:
        """Do something about a wallet that takes a reason."""
        if not self.has_move_permission(request):
            raise PermissionDenied
        wallet = self._wallet(account_id)
        return moving(
            request,
            self,
            form_class,
            back=self._address("change", wallet.pk),
            title=f"{form_class.title} of {wallet.organization}",
            facts=[("Available", dollars(wallet.available)), ("Status", wallet.get_status_display())],
            about={"organization": wallet.organization},
        )

    def _wallet(self, account_id: int) -> Account:
        wallet = Account.objects.filter(pk=account_id, kind=Account.Kind.WALLET).select_related("organization").first()
        if wallet is None:
            raise Http404
        return wallet
