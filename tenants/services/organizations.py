"""Organizations coming into being."""

from tenants.context import atomic, platform_context
from tenants.models import Organization, User


def create_organization(*, name: str, slug: str, owner: User | None = None) -> Organization:
    """A new organization; `owner` gets its first seat. Its accounts are opened by whoever asked."""
    with platform_context(reason="create an organization"), atomic():
        organization = Organization(name=name, slug=slug)
        organization.full_clean()
        organization.save(force_insert=True)
    return organization
