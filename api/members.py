"""A signed-in member as a caller: what its seat permits, in the organization that it sits in."""

from tenants.caller import Caller
from tenants.roles import permissions_of
from tenants.selectors import Seat


def caller_at(seat: Seat, *, user_id: int) -> Caller:
    """The caller that a seat makes of a person."""
    return Caller(
        organization_id=seat.organization.id,
        organization_slug=seat.organization.slug,
        permissions=permissions_of(seat.role),
        user_id=user_id,
    )
