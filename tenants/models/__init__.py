"""The rows of this package."""

from tenants.models.organization import Organization
from tenants.models.tenant import TenantManager, TenantModel, TenantQuerySet
from tenants.models.user import User

__all__ = ["Organization", "TenantManager", "TenantModel", "TenantQuerySet", "User"]
