"""The audit log, to read."""

from typing import ClassVar

from django.http import HttpRequest

from tenants.admin.seats import MemberAdmin, StaffRecordAdmin
from tenants.permissions import AUDIT_READ

COLUMNS = ("created_at", "action", "object_label", "actor_label", "request_id")
FIELDS = (
    *("created_at", "action", "object_type", "object_id", "object_label"),
    *("actor_label", "actor_user_id", "actor_key_id", "request_id", "reason", "detail"),
)


class MemberAuditAdmin(MemberAdmin):
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


class StaffAuditAdmin(StaffRecordAdmin):
    """What was done anywhere."""

    list_display: ClassVar = ("organization", *COLUMNS)
    list_select_related: ClassVar = ("organization",)
    list_filter: ClassVar = ("action",)
    search_fields: ClassVar = ("object_label", "actor_label", "request_id", "organization__slug")
    date_hierarchy = "created_at"
    fields: ClassVar = ("organization", *FIELDS)
    ordering: ClassVar = ("-created_at",)
