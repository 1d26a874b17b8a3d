"""What agents remember of the organization's end users."""

import json
from typing import Any, ClassVar

from django.db.models import Model
from django.http import HttpRequest
from unfold.decorators import display

from agents.models import Memory
from tenants.admin.seats import MemberAdmin, StaffRecordAdmin, allows
from tenants.permissions import AGENTS_WRITE


class MemberMemoryAdmin(MemberAdmin):
    """Read, and forgotten one by one; all of an end user's at once over the API."""

    reads = AGENTS_WRITE
    list_display: ClassVar = ("created_at", "end_user", "agent_slug", "kind", "text")
    list_filter: ClassVar = ("kind", "agent_slug")
    search_fields: ClassVar = ("end_user", "text")
    fields: ClassVar = ("end_user", "agent_slug", "kind", "text", "shown_metadata", "created_at")
    readonly_fields: ClassVar = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("embedding", "words")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return allows(request, AGENTS_WRITE)

    @display(description="About it")
    def shown_metadata(self, memory: Memory) -> str:
        """What the skill noted beside it."""
        return json.dumps(memory.metadata, indent=2, ensure_ascii=False) if memory.metadata else "–"


class StaffMemoryAdmin(StaffRecordAdmin):
    """That something is remembered, not what."""

    list_display: ClassVar = ("created_at", "organization", "agent_slug", "kind")
    list_filter: ClassVar = ("kind",)
    list_select_related: ClassVar = ("organization",)
    search_fields: ClassVar = ("organization__slug", "agent_slug")
    fields: ClassVar = ("organization", "agent_slug", "kind", "created_at")
    readonly_fields: ClassVar = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("embedding", "words", "text", "metadata", "end_user")
