"""API keys as members see them, with their budgets."""

from typing import Any, ClassVar

from django.http import HttpRequest

from billing.admin.budgets import BUDGETS_OF, budgets_shown
from tenants.admin.keys import MemberKeyAdmin


class MemberPayingKeyAdmin(MemberKeyAdmin):
    """Keys of the organization, and what each may still spend."""

    change_form_outer_after_template: ClassVar = BUDGETS_OF

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        shown = {**(extra_context or {}), **budgets_shown(request, "key", object_id)}
        return super().change_view(request, object_id, form_url, shown)
