"""The audit log, to read."""

from typing import Any, ClassVar

from django.http import HttpRequest
from unfold.decorators import display

from tenants.admin.seats import MemberAdmin, StaffRecordAdmin
from tenants.models import AuditEvent
from tenants.permissions import AUDIT_READ

COLUMNS = ("created_at", "action", "object_label", "actor_label", "request_id")
FIELDS = (
    *("created_at", "action", "object_type", "object_id", "object_label"),
    *("actor_label", "actor_user_id", "actor_key_id", "request_id", "reason", "shown_detail"),
)


class DetailColumn:
    """What else is known of an event."""

    @display(description="Detail")
    def shown_detail(self, event: AuditEvent) -> str:
        """Names and values, as people write them."""
        return "; ".join(f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in event.detail.items())


class MemberAuditAdmin(DetailColumn, MemberAdmin):
    """What was done in the organization."""

    reads = AUDIT_READ
    list_display: ClassVar = COLUMNS
    list_filter: ClassVar = ("action",)
    search_fields: ClassVar = ("object_label", "actor_label", "request_id")
    date_hierarchy = "created_at"
    fields: ClassVar = FIELDS
    ordering: ClassVar = ("-created_at",)

    def get_readonly_fields(self, request: HttpRequest, obj: object | None = None) -> tuple[str, ...]:
        return FIELDS


class StaffAuditAdmin(DetailColumn, StaffRecordAdmin):
    """What was done anywhere."""

    list_display: ClassVar = ("organization", *COLUMNS)
    list_select_related: ClassVar = ("organization",)
    list_filter: ClassVar = ("action",)
    search_fields: ClassVar = ("object_label", "actor_label", "request_id", "organization__slug")
    date_hierarchy = "created_at"
    fields: ClassVar = ("organization", *FIELDS)
    readonly_fields: ClassVar = FIELDS
    ordering: ClassVar = ("-created_at",)


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
