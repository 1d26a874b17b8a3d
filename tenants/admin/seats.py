"""Rows as a member of an organization sees them: their own only, and only what the seat allows."""

from typing import Any, ClassVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from tenants.models import User
from tenants.permissions import AGENTS_READ, BILLING_READ, MEMBERS_WRITE
from tenants.roles import permissions_of
from tenants.selectors import Seat


def seat_of(request: HttpRequest) -> Seat:
    """The seat through which this request came in; the middleware has put it there."""
    seat: Seat | None = getattr(request, "seat", None)
    if seat is None:
        raise PermissionDenied("Choose an organization first.")
    return seat


def signed_in(request: HttpRequest) -> User:
    """The person who sent this request; the sites let nobody else in."""
    if not isinstance(request.user, User):
        raise PermissionDenied("Sign in first.")
    return request.user


def allows(request: HttpRequest, permission: str | None) -> bool:
    """Whether the signed-in member's seat carries this permission; nothing is allowed by None."""
    seat: Seat | None = getattr(request, "seat", None)
    return seat is not None and permission in permissions_of(seat.role)


def uuid_or_404(text: str) -> UUID:
    """The id in an address; what is none is the id of nothing."""
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def sees_only_own(request: HttpRequest) -> bool:
    """Whether the signed-in member looks after their own keys and runs only, not after everybody's."""
    return not (allows(request, MEMBERS_WRITE) or allows(request, BILLING_READ))


class MemberAdmin(ModelAdmin):
    """A model on the console. What a seat may do is said by two permissions; what it sees, by the tenant manager."""

    reads: ClassVar[str] = AGENTS_READ
    writes: ClassVar[str | None] = None
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return allows(request, self.reads)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return allows(request, self.reads)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return allows(request, self.writes)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return allows(request, self.writes)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only the filters that the page itself offers: a free look-up would be an oracle over related rows."""
        offered = {entry[0] if isinstance(entry, tuple) else entry for entry in self.list_filter}
        suffixes = ("", "__exact", "__isnull", "__gte", "__lt", "__id__exact")
        days = {f"{self.date_hierarchy}__{part}" for part in ("year", "month", "day", "gte", "lt")}
        return lookup in days | {f"{name}{suffix}" for name in offered for suffix in suffixes}

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """What is not yours is answered like what is not there."""
        raise Http404


class StaffRecordAdmin(ModelAdmin):
    """A model that staff may read and nobody may edit: history, or rows that only services write."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
