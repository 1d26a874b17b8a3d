"""Whose data a page may show: a member's chosen organization under /console/, everybody's for staff under /admin/."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import sync_only_middleware

from tenants.audit import acting
from tenants.context import organization_context, platform_context
from tenants.models import User
from tenants.selectors import CHOSEN, Seat, memberships_of, seat_of

CONSOLE: Final = "/console/"
STAFF: Final = "/admin/"
API: Final = "/api/"

Respond = Callable[[HttpRequest], HttpResponse]


@sync_only_middleware
def tenancy(get_response: Respond) -> Respond:
    """Enter the tenant context of the signed-in person before a page of either admin site is made."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with _context(request):
            return get_response(request)

    return middleware


@contextmanager
def _context(request: HttpRequest) -> Generator[None]:
    if request.path.startswith(STAFF) and request.user.is_active and request.user.is_staff:
        who = acting(user_id=request.user.pk, label=str(request.user))
        with platform_context(reason=f"staff at {request.path}"), who:
            yield
    elif request.path.startswith((CONSOLE, API)) and (seat := _seat(request)):
        who = acting(user_id=request.user.pk, label=str(request.user))
        with organization_context(seat.organization.id), who:
            request.seat = seat  # type: ignore[attr-defined]  # read by tenants.admin.seats and api.manage.callers
            yield
    else:
        yield


def _seat(request: HttpRequest) -> Seat | None:
    """The seat that the member chose, else the first; None for someone who has none."""
    if not isinstance(request.user, User):
        return None
    return seat_of(request.user.pk, chosen=request.session.get(CHOSEN))


def choose_organization(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Show this organization from now on, if the member sits in it; a link of another site cannot choose for them."""
    person = request.user
    if not isinstance(person, User) or request.headers.get("Sec-Fetch-Site", "none") not in {
        "none",
        "same-origin",
    }:
        raise Http404
    if all(seat.organization.id != organization_id for seat in memberships_of(person.pk)):
        raise Http404
    request.session[CHOSEN] = str(organization_id)
    return HttpResponseRedirect(reverse("console:index"))
