"""Providers' credentials: written here, never read back."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold import widgets
from unfold.admin import ModelAdmin
from unfold.decorators import display

from tenants import services
from tenants.admin.seats import MemberAdmin, seat_of
from tenants.errors import InvalidCredential
from tenants.models import ProviderCredential
from tenants.permissions import AGENTS_WRITE, CREDENTIALS_WRITE
from tenants.secret import Secret
from tenants.services.credentials import check_credential


class CredentialForm(forms.ModelForm):
    """A provider's secret and where it goes. Saving always replaces the secret."""

    secret = forms.CharField(
        strip=True,
        max_length=8192,
        help_text="The provider's key. It is sealed at once and cannot be read here again.",
        widget=widgets.UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
    )

    class Meta:
        model = ProviderCredential
        fields: ClassVar[tuple[str, ...]] = ("provider", "label", "secret", "base_url")

    def clean(self) -> dict[str, Any]:
        """Refuse what the vault would refuse, at the form."""
        cleaned: dict[str, Any] = super().clean() or {}
        try:
            check_credential(secret=Secret(cleaned.get("secret", "-")), base_url=cleaned.get("base_url", ""))
        except InvalidCredential as error:
            raise ValidationError(str(error)) from None
        return cleaned


class CredentialColumns:
    """How a credential is written, on both sites."""

    @display(description="Secret")
    def shown_secret(self, credential: ProviderCredential) -> str:
        """Enough to tell two apart."""
        return f"…{credential.last_four}" if credential.last_four else "sealed"


class MemberCredentialAdmin(CredentialColumns, MemberAdmin):
    """The organization's own keys with model providers."""

    reads = AGENTS_WRITE
    writes = CREDENTIALS_WRITE
    form = CredentialForm
    list_display: ClassVar = ("provider", "label", "shown_secret", "base_url", "updated_at")
    ordering: ClassVar = ("provider", "label")

    def get_readonly_fields(self, request: HttpRequest, obj: ProviderCredential | None = None) -> Any:
        return ("provider", "label") if obj else ()

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(organization_id=seat_of(request).organization.id)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: ProviderCredential, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Seal it."""
        stored = services.store_credential(
            organization_id=seat_of(request).organization.id,
            provider=obj.provider,
            label=obj.label,
            base_url=form.cleaned_data["base_url"],
            secret=Secret(form.cleaned_data["secret"]),
        )
        obj.__dict__.update(stored.__dict__)

    def delete_model(self, request: HttpRequest, obj: ProviderCredential) -> None:
        """Forget it, with an entry in the audit log."""
        services.remove_credential(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ProviderCredential]) -> None:
        for credential in queryset:
            services.remove_credential(credential)


class PlatformCredentialForm(CredentialForm):
    """As for members, and whether models without a price may run on it."""

    class Meta(CredentialForm.Meta):
        fields: ClassVar[tuple[str, ...]] = (*CredentialForm.Meta.fields, "unpriced_allowed")


class StaffCredentialAdmin(CredentialColumns, ModelAdmin):
    """The platform's own keys with model providers; organizations' are not staff's to see."""

    form = PlatformCredentialForm
    list_display: ClassVar = ("provider", "label", "shown_secret", "base_url", "unpriced_allowed", "updated_at")
    ordering: ClassVar = ("provider", "label")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(organization=None)

    def get_readonly_fields(self, request: HttpRequest, obj: ProviderCredential | None = None) -> Any:
        return ("provider", "label") if obj else ()

    def save_model(self, request: HttpRequest, obj: ProviderCredential, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Seal it."""
        stored = services.store_credential(
            organization_id=None,
            provider=obj.provider,
            label=obj.label,
            base_url=form.cleaned_data["base_url"],
            secret=Secret(form.cleaned_data["secret"]),
            unpriced_allowed=form.cleaned_data["unpriced_allowed"],
        )
        obj.__dict__.update(stored.__dict__)

    def delete_model(self, request: HttpRequest, obj: ProviderCredential) -> None:
        """Forget it, with an entry in the audit log."""
        services.remove_credential(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ProviderCredential]) -> None:
        for credential in queryset:
            services.remove_credential(credential)
