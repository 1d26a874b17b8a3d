"""The two admin sites: the console for members, the admin for staff; here every model meets the page that shows it."""

from typing import Any, ClassVar, Final

from csp.decorators import csp_update
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from agents.admin import catalogue, templates
from agents.admin import pages as agent_pages
from billing.admin import dashboard
from billing.admin import pages as billing_pages
from robutler_site import home
from tenants.admin import pages as tenant_pages
from tenants.errors import SignInLocked
from tenants.services.sign_in import count_attempt, forget_attempts

# The admin theme runs Alpine, which evaluates the expressions in its templates, and colours itself in a style element.
PAGE_POLICY: Final = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


class SignInForm(AuthenticationForm):
    """Signs in who knows the password and was not wrong too often. Whoever is let in is staff."""

    def clean(self) -> dict[str, Any]:
        """Count the attempt, then look at the password."""
        email, address = self.cleaned_data.get("username", ""), self.request.META.get("REMOTE_ADDR", "")
        try:
            count_attempt(email, address=address)
        except SignInLocked as error:
            self.request.locked_s = error.seconds
            raise ValidationError(str(error), code="locked") from None
        cleaned: dict[str, Any] = super().clean()
        forget_attempts(email, address=address)
        return cleaned


class MemberSignInForm(SignInForm):
    """Signs in anybody who is active: what they see is decided by their seats."""

    error_messages: ClassVar = {
        **AuthenticationForm.error_messages,
        "invalid_login": "This e-mail address and password do not belong together.",
    }

    def confirm_login_allowed(self, user: AbstractBaseUser | AnonymousUser) -> None:
        """Refuse those who were deactivated; the base would refuse everyone who is not staff."""
        if not user.is_active:
            raise ValidationError(self.error_messages["inactive"], code="inactive")


class Site(UnfoldAdminSite):
    """An admin site whose pages carry the policy that its theme needs; no other page gets it."""

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002  # Django's own signature
        return csp_update(PAGE_POLICY)(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The page to sign in; who has to wait is told for how long, also in HTTP's words."""
        page = super().login
        response = csp_update(PAGE_POLICY)(lambda asked: page(asked, extra_context))(request)
        if (locked_s := getattr(request, "locked_s", None)) is not None:
            response.status_code = 429
            response["Retry-After"] = str(locked_s)
        return response


class ConsoleSite(Site):
    """Where members make agents and watch them work."""

    settings_name = "UNFOLD_CONSOLE"
    index_title = "Home"
    login_form = MemberSignInForm
    index_template = "console/home.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Members with a seat in an active organization; being staff opens nothing here."""
        return bool(request.user.is_active) and getattr(request, "seat", None) is not None

    def get_urls(self) -> list[Any]:
        """The catalogue and the templates come before the pages of models."""
        return [*catalogue.addresses(self), *templates.addresses(self), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().index(request, {**(extra_context or {}), **home.of_organization(request)})

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What pages may show; an example is looked up by those that show one."""
        return {**super().each_context(request), "example_agent": home.example_agent}


class StaffSite(Site):
    """Where the platform's staff look after everything."""

    settings_name = "UNFOLD_STAFF"
    login_form = SignInForm
    index_title = "Home"
    index_template = "admin/home.html"

    def get_urls(self) -> list[Any]:
        """The pages of figures come before those of models."""
        return [*dashboard.addresses(self), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().index(request, {**(extra_context or {}), **home.of_platform(request)})


console = ConsoleSite(name="console")
staff = StaffSite(name="admin")

for pages in (agent_pages, tenant_pages, billing_pages):
    for model, page in pages.MEMBER_PAGES:
        console.register(model, page)
    for model, page in pages.STAFF_PAGES:
        staff.register(model, page)
