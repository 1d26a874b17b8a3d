"""What each seat in an organization allows."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from django.db.models import TextChoices

from tenants import permissions


class Role(TextChoices):
    """The seats, from the widest to the narrowest."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    BILLING = "billing"
    VIEWER = "viewer"


_DEVELOPER = frozenset(
    {
        permissions.CHAT_WRITE,
        permissions.AGENTS_READ,
        permissions.AGENTS_WRITE,
        permissions.KEYS_WRITE,
        permissions.USAGE_READ,
        permissions.MCP_INVOKE,
    }
)
_ADMIN = _DEVELOPER | {
    permissions.MEMBERS_WRITE,
    permissions.CREDENTIALS_WRITE,
    permissions.AUDIT_READ,
    permissions.LIMITS_WRITE,
}

RIGHTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        Role.OWNER.value: permissions.ALL_PERMISSIONS,
        Role.ADMIN.value: _ADMIN,
        Role.DEVELOPER.value: _DEVELOPER,
        Role.BILLING.value: frozenset(
            {
                permissions.USAGE_READ,
                permissions.BILLING_READ,
                permissions.BILLING_WRITE,
                permissions.TOKENS_WRITE,
            }
        ),
        Role.VIEWER.value: frozenset({permissions.CHAT_WRITE, permissions.AGENTS_READ}),
    }
)


def permissions_of(role: str) -> frozenset[str]:
    """Everything a seat allows; nothing for a role nobody knows."""
    return RIGHTS.get(role, frozenset())
