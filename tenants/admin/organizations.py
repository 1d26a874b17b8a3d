"""Organizations, for staff: made, stopped and let go on."""

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from tenants import audit, services
from tenants.models import Organization
from tenants.slugs import refuse_reserved

STATUS_LABELS = {"active": "success", "suspended": "danger"}


class OrganizationForm(forms.ModelForm):
    """A name, and for a new one the slug that stays."""

    class Meta:
        model = Organization
        fields: ClassVar = ("name", "slug", "time_zone")

    def clean_slug(self) -> str:
        """The name in addresses, unless it belongs to the platform."""
        slug = str(self.cleaned_data["slug"])
        try:
            refuse_reserved(slug)
        except ValidationError as error:
            raise ValidationError(error.messages) from None
        return slug


class StaffOrganizationAdmin(ModelAdmin):
    """Every organization; it is suspended, never deleted."""

    form = OrganizationForm
    list_display: ClassVar = ("name", "slug", "shown_status", "created_at")
    list_filter: ClassVar = ("status",)
    search_fields: ClassVar = ("slug", "name")
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    actions: ClassVar = ("suspend", "resume")
    ordering: ClassVar = ("-created_at",)

    @display(description="Status", label=STATUS_LABELS)
    def shown_status(self, organization: Organization) -> str:
        """The status as a coloured word."""
        return organization.status

    def get_fields(self, request: HttpRequest, obj: Organization | None = None) -> Any:
        return ("name", "slug", "time_zone", "status", "created_at") if obj else ("name", "slug", "time_zone")

    def get_readonly_fields(self, request: HttpRequest, obj: Organization | None = None) -> Any:
        return ("slug", "status", "created_at") if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Organization | None = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def has_delete_permission(self, request: HttpRequest, obj: Organization | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """A new one gets all that belongs to it, through the service."""
        if change:
            super().save_model(request, obj, form, change)
            if "time_zone" in form.changed_data:
                services.set_time_zone(obj, obj.time_zone)
            audit.record(action="organization.renamed", object=obj, organization_id=obj.id)
        else:
            obj.__dict__.update(
                services.create_organization(name=obj.name, slug=obj.slug, time_zone=obj.time_zone).__dict__
            )

    @action(description="Suspend: serve none of their keys")
    def suspend(self, request: HttpRequest, queryset: Any) -> None:
        """Stop the selected organizations."""
        self._each(request, queryset, services.suspend_organization, "Suspended")

    @action(description="Resume: serve their keys again")
    def resume(self, request: HttpRequest, queryset: Any) -> None:
        """Let the selected organizations go on."""
        self._each(request, queryset, services.resume_organization, "Resumed")

    def _each(self, request: HttpRequest, queryset: Any, service: Any, done: str) -> None:
        organizations = list(queryset)
        for organization in organizations:
            service(organization, reason=f"by {request.user} in the admin")
        messages.success(request, f"{done}: {', '.join(organization.slug for organization in organizations)}.")
