"""API keys: issued here, shown once, revoked; never shown again."""

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold import widgets
from unfold.decorators import action, display

from tenants import services
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, seat_of, sees_only_own, signed_in
from tenants.admin.shown_once import shown_once
from tenants.errors import InvalidNetwork
from tenants.limits import Limits
from tenants.models import ApiKey
from tenants.networks import networks
from tenants.permissions import KEY_PERMISSIONS, KEYS_WRITE
from tenants.roles import permissions_of
from tenants.secret import Secret
from tenants.services.keys import DEFAULT_PERMISSIONS

STATE_LABELS = {"Active": "success", "Expired": "warning", "Revoked": "danger"}


class KeyForm(forms.ModelForm):
    """What a new key may do. A member can pass on no more than their own seat allows."""

    permissions = forms.MultipleChoiceField(
        choices=[(name, name) for name in sorted(KEY_PERMISSIONS)],
        initial=sorted(DEFAULT_PERMISSIONS),
        widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    networks = forms.CharField(
        label="Allowed networks",
        required=False,
        widget=widgets.UnfoldAdminTextInputWidget(),
        help_text="Where it may be used from, such as 203.0.113.0/24, separated by commas; empty for everywhere.",
    )
    requests_per_minute = forms.IntegerField(
        min_value=1,
        required=False,
        widget=widgets.UnfoldAdminIntegerFieldWidget(),
        help_text="Empty for as many as the platform allows; more than that is never allowed.",
    )
    max_parallel = forms.IntegerField(
        label="Requests at once",
        min_value=1,
        required=False,
        widget=widgets.UnfoldAdminIntegerFieldWidget(),
        help_text="Empty for as many as the platform allows.",
    )

    class Meta:
        model = ApiKey
        fields: ClassVar = ("name", "permissions", "test_mode", "expires_at")
        help_texts: ClassVar = {
            "name": "What tells it from the others, such as where it is used.",
            "expires_at": "In UTC; leave it empty for a key that does not expire.",
        }

    def clean_expires_at(self) -> Any:
        """A moment that is still to come, or none."""
        expires_at = self.cleaned_data.get("expires_at")
        if expires_at is not None and expires_at <= timezone.now():
            raise ValidationError("Choose a moment in the future, or leave it empty.")
        return expires_at

    def clean_networks(self) -> list[str] | None:
        """The networks, each as it is kept; None for everywhere."""
        written = [part for part in self.cleaned_data["networks"].replace(",", " ").split() if part]
        try:
            return [str(network) for network in networks(written)] or None
        except InvalidNetwork as error:
            raise ValidationError(str(error)) from None


class KeyColumns:
    """How a key is written, on both sites."""

    @display(description="Key")
    def shown_key(self, key: ApiKey) -> str:
        """What a person needs to recognise it."""
        return f"rb_{'test' if key.test_mode else 'live'}_{key.public_id}…{key.last_four}"

    @display(description="Permissions")
    def shown_permissions(self, key: ApiKey) -> str:
        """What it may do."""
        return ", ".join(key.permissions)

    @display(description="Networks")
    def shown_networks(self, key: ApiKey) -> str:
        """Where it may be used from."""
        return "everywhere" if key.allowed_networks is None else ", ".join(key.allowed_networks)

    @display(description="State", label=STATE_LABELS)
    def shown_state(self, key: ApiKey) -> str:
        """Whether it opens anything."""
        if key.revoked_at is not None:
            return "Revoked"
        return "Active" if key.is_usable else "Expired"


class MemberKeyAdmin(KeyColumns, MemberAdmin):
    """Keys of the organization; developers see those they issued. A key is never edited: revoke it, issue another."""

    reads = KEYS_WRITE
    writes = KEYS_WRITE
    form = KeyForm
    change_form_template = "console/key_form.html"
    list_display: ClassVar = ("name", "shown_key", "shown_state", "shown_permissions", "last_used_at", "expires_at")
    search_fields: ClassVar = ("name", "public_id")
    actions: ClassVar = ("revoke",)
    ordering: ClassVar = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> Any:
        keys = super().get_queryset(request)
        return keys.filter(created_by=signed_in(request)) if sees_only_own(request) else keys

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody edits a key; the list still needs to know whether its actions may be used."""
        return obj is None and super().has_change_permission(request)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        if obj is None:
            return (*KeyForm.Meta.fields, "networks", "requests_per_minute", "max_parallel")
        shown = ("name", "shown_key", "shown_state", "shown_permissions", "shown_networks")
        return (*shown, "created_at", "expires_at", "last_used_at")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return () if obj is None else self.get_fields(request, obj)

    def get_form(self, request: HttpRequest, obj: ApiKey | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  # Django's own signature
        form = super().get_form(request, obj, change=change, **kwargs)
        if "permissions" in form.base_fields:
            held = permissions_of(seat_of(request).role)
            form.base_fields["permissions"].choices = [(name, name) for name in sorted(KEY_PERMISSIONS & held)]
        return form

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Issue the key; its text waits on the request for the one page that shows it."""
        asked = form.cleaned_data
        issued, secret = services.issue_key(
            organization_id=seat_of(request).organization.id,
            name=asked["name"],
            permissions=asked["permissions"],
            created_by=signed_in(request),
            expires_at=asked["expires_at"],
            test_mode=asked["test_mode"],
            allowed_networks=asked["networks"],
            limits=Limits(requests_per_minute=asked["requests_per_minute"], max_parallel=asked["max_parallel"]),
        )
        obj.__dict__.update(issued.__dict__)
        request.issued = secret  # type: ignore[attr-defined]  # for the one page that shows it

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Show the key, this once."""
        secret: Secret = request.issued  # type: ignore[attr-defined]  # put there by save_model
        return shown_once(self, request, template="console/new_key.html", title="Your new key", secret=secret)

    @action(description="Revoke the selected keys", permissions=("change",))
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        """Refuse these keys everywhere from now on."""
        keys = list(queryset)
        for key in keys:
            services.revoke_key(key)
        messages.success(request, f"Revoked {len(keys)} key{'s' if len(keys) != 1 else ''}.")


class StaffKeyAdmin(KeyColumns, StaffRecordAdmin):
    """Every organization's keys, to look at."""

    list_display: ClassVar = ("organization", "name", "shown_key", "shown_state", "last_used_at", "expires_at")
    list_select_related: ClassVar = ("organization",)
    list_filter: ClassVar = ("test_mode",)
    search_fields: ClassVar = ("name", "public_id", "organization__slug")
    fields: ClassVar = (
        *("organization", "name", "shown_key", "shown_state", "shown_permissions", "shown_networks"),
        *("test_mode", "created_at", "expires_at", "revoked_at", "last_used_at"),
    )
