"""Organizations as staff see them, with their money."""

from typing import Any, ClassVar

from django.http import HttpRequest
from unfold.decorators import display

from billing import ledger
from billing.amounts import dollars
from tenants.admin.organizations import StaffOrganizationAdmin
from tenants.models import Organization


class StaffPayerAdmin(StaffOrganizationAdmin):
    """Every organization, and what its wallet still has."""

    readonly_fields: ClassVar = ("shown_available",)

    @display(description="Available in the wallet")
    def shown_available(self, organization: Organization) -> str:
        """What it may still spend."""
        return dollars(ledger.balance(organization.pk).available)

    def get_fields(self, request: HttpRequest, obj: Organization | None = None) -> Any:
        shown = super().get_fields(request, obj)
        return (*shown, "shown_available") if obj else shown

    def get_readonly_fields(self, request: HttpRequest, obj: Organization | None = None) -> Any:
        shown = super().get_readonly_fields(request, obj)
        return (*shown, "shown_available") if obj else shown
