"""The two admin sites: the console for members, the admin for staff; here every model meets the page that shows it."""

from typing import Any, Final

from csp.decorators import csp_update
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from agents.admin.agents import MemberAgentAdmin, StaffAgentAdmin
from agents.admin.runs import MemberRunAdmin, StaffRunAdmin
from agents.models import Agent, Run
from billing.admin.journal import (
    MemberTransferAdmin,
    StaffChargeAdmin,
    StaffHoldAdmin,
    StaffSettlementAdmin,
    StaffTransferAdmin,
)
from billing.admin.prices import StaffPriceItemAdmin, StaffPriceVersionAdmin
from billing.admin.wallets import MemberWalletAdmin, StaffAccountAdmin
from billing.models import Account, Charge, Hold, PriceItem, PriceVersion, Settlement, Transfer
from robutler_site import home
from tenants.admin.audit import MemberAuditAdmin, StaffAuditAdmin
from tenants.admin.credentials import MemberCredentialAdmin, StaffCredentialAdmin
from tenants.admin.keys import MemberKeyAdmin, StaffKeyAdmin
from tenants.admin.organizations import StaffOrganizationAdmin
from tenants.admin.people import MemberSeatAdmin, StaffSeatAdmin, StaffUserAdmin
from tenants.models import ApiKey, AuditEvent, Membership, Organization, ProviderCredential, User

# The admin theme runs Alpine, which evaluates the expressions in its templates, and colours itself in a style element.
PAGE_POLICY: Final = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


class MemberSignInForm(AuthenticationForm):
    """Signs in anybody who is active: what they see is decided by their seats."""

    def confirm_login_allowed(self, user: AbstractBaseUser | AnonymousUser) -> None:
        """Refuse those who were deactivated; the base would refuse everyone who is not staff."""
        if not user.is_active:
            raise ValidationError(self.error_messages["inactive"], code="inactive")


class Site(UnfoldAdminSite):
    """An admin site whose pages carry the policy that its theme needs; no other page gets it."""

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002  # Django's own signature
        return csp_update(PAGE_POLICY)(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        page = super().login
        return csp_update(PAGE_POLICY)(lambda asked: page(asked, extra_context))(request)


class ConsoleSite(Site):
    """Where members make agents and watch them work."""

    settings_name = "UNFOLD_CONSOLE"
    index_title = "Home"
    login_form = MemberSignInForm
    index_template = "console/home.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Members with a seat in an active organization; being staff opens nothing here."""
        return bool(request.user.is_active) and getattr(request, "seat", None) is not None

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().index(request, {**(extra_context or {}), **home.of_organization(request)})


class StaffSite(Site):
    """Where the platform's staff look after everything."""

    settings_name = "UNFOLD_STAFF"
    index_title = "Home"
    index_template = "admin/home.html"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().index(request, {**(extra_context or {}), **home.of_platform()})


console = ConsoleSite(name="console")
staff = StaffSite(name="admin")

console.register(Agent, MemberAgentAdmin)
console.register(Run, MemberRunAdmin)
console.register(ApiKey, MemberKeyAdmin)
console.register(ProviderCredential, MemberCredentialAdmin)
console.register(Membership, MemberSeatAdmin)
console.register(Account, MemberWalletAdmin)
console.register(Transfer, MemberTransferAdmin)
console.register(AuditEvent, MemberAuditAdmin)

staff.register(Organization, StaffOrganizationAdmin)
staff.register(User, StaffUserAdmin)
staff.register(Membership, StaffSeatAdmin)
staff.register(ApiKey, StaffKeyAdmin)
staff.register(ProviderCredential, StaffCredentialAdmin)
staff.register(AuditEvent, StaffAuditAdmin)
staff.register(Agent, StaffAgentAdmin)
staff.register(Run, StaffRunAdmin)
staff.register(Account, StaffAccountAdmin)
staff.register(Transfer, StaffTransferAdmin)
staff.register(Charge, StaffChargeAdmin)
staff.register(Hold, StaffHoldAdmin)
staff.register(Settlement, StaffSettlementAdmin)
staff.register(PriceVersion, StaffPriceVersionAdmin)
staff.register(PriceItem, StaffPriceItemAdmin)
