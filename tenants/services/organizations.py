"""Organizations coming into being, stopped and let go on."""

from tenants import audit, notify
from tenants.context import atomic, platform_context
from tenants.models import Organization, User
from tenants.roles import Role
from tenants.services.members import add_member
from tenants.slugs import refuse_reserved


def create_organization(*, name: str, slug: str, owner: User | None = None, time_zone: str = "UTC") -> Organization:
    """A new organization; `owner` gets its first seat. Its accounts come with it, by a trigger of billing's."""
    refuse_reserved(slug)
    with platform_context(reason="create an organization"), atomic():
        organization = Organization(name=name, slug=slug, time_zone=time_zone)
        organization.full_clean()
        organization.save(force_insert=True)
        audit.record(action="organization.created", object=organization, organization_id=organization.id)
        if owner is not None:
            add_member(organization_id=organization.id, user=owner, role=Role.OWNER)
    return organization


def suspend_organization(organization: Organization, *, reason: str) -> None:
    """Serve none of its keys any more; what runs is left to end."""
    _set_status(organization, Organization.Status.SUSPENDED, reason=reason)


def resume_organization(organization: Organization, *, reason: str) -> None:
    """Serve its keys again."""
    _set_status(organization, Organization.Status.ACTIVE, reason=reason)


def set_time_zone(organization: Organization, time_zone: str) -> None:
    """Let its months begin and end there from now on; months that are closed stay as they were."""
    organization.time_zone = time_zone
    organization.full_clean(validate_unique=False, validate_constraints=False)
    with atomic():
        organization.save(update_fields=["time_zone"])
        audit.record(
            action="organization.moved",
            object=organization,
            organization_id=organization.id,
            detail={"time_zone": time_zone},
        )


def _set_status(organization: Organization, status: Organization.Status, *, reason: str) -> None:
    with platform_context(reason=reason), atomic():
        organization.status = status
        organization.save(update_fields=["status"])
        audit.record(action=f"organization.{status.value}", object=organization, organization_id=organization.id)
        notify.publish("organization", str(organization.id))
