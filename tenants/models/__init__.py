"""The rows of this package."""

from tenants.models.api_key import ApiKey
from tenants.models.audit_event import AuditEvent
from tenants.models.data_key import DataKey
from tenants.models.membership import Membership
from tenants.models.organization import Organization
from tenants.models.provider_credential import ProviderCredential
from tenants.models.rate_limit import RateLimit
from tenants.models.sign_in_attempts import SignInAttempts
from tenants.models.tenant import TenantManager, TenantModel, TenantQuerySet, belonging_to
from tenants.models.user import User

__all__ = [
    "ApiKey",
    "AuditEvent",
    "DataKey",
    "Membership",
    "Organization",
    "ProviderCredential",
    "RateLimit",
    "SignInAttempts",
    "TenantManager",
    "TenantModel",
    "TenantQuerySet",
    "User",
    "belonging_to",
]
