"""Seats given, changed and taken away."""

from uuid import UUID

from tenants import audit, context, notify
from tenants.errors import PermissionMissing
from tenants.models import Membership, User
from tenants.roles import Role


def add_member(*, organization_id: UUID, user: User, role: Role) -> Membership:
    """Give a person a seat."""
    with context.atomic():
        seat = Membership.objects.create(organization_id=organization_id, user=user, role=role)
        audit.record(action="member.added", object=seat, organization_id=organization_id, detail={"role": role.value})
        notify.publish("organization", str(organization_id))
    return seat


def change_role(seat: Membership, *, role: Role) -> None:
    """Let a seat allow something else; keys its holder made follow at once."""
    with context.atomic():
        _keep_an_owner(seat, becomes=role)
        before, seat.role = seat.role, role
        seat.save(update_fields=["role"])
        audit.record(
            action="member.role_changed",
            object=seat,
            organization_id=seat.organization_id,
            detail={"from": before, "to": role.value},
        )
        notify.publish("organization", str(seat.organization_id))


def remove_member(seat: Membership) -> None:
    """Take a seat away; keys its holder made stop working."""
    with context.atomic():
        _keep_an_owner(seat, becomes=None)
        audit.record(action="member.removed", object=seat, organization_id=seat.organization_id)
        notify.publish("organization", str(seat.organization_id))
        seat.delete()


def _keep_an_owner(seat: Membership, *, becomes: Role | None) -> None:
    if seat.role != Role.OWNER or becomes == Role.OWNER:
        return
    # All owners are locked, so that two of them cannot leave at the same time.
    owners = Membership.objects.select_for_update().filter(organization_id=seat.organization_id, role=Role.OWNER)
    if len(owners.order_by("pk")) < 2:
        raise PermissionMissing("An organization keeps at least one owner: make somebody else owner first.")
