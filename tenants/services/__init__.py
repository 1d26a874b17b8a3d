"""What may be done to organizations, members, keys and credentials."""

from tenants.services.organizations import create_organization

__all__ = ["create_organization"]
