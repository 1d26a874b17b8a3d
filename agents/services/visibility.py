"""Whose runs a caller may read: its organization's, or only those of its own key."""

from typing import Literal, TypeAlias
from uuid import UUID

from tenants.caller import Caller
from tenants.errors import PermissionMissing
from tenants.permissions import USAGE_READ

Whose: TypeAlias = Literal["key", "organization"]


def key_to_read(caller: Caller, whose: Whose | None) -> UUID | None:
    """The key whose runs are meant, None for all of the organization's, which take the permission `usage:read`.

    Unless the caller says which, it is shown as much as it may see.
    """
    may_read_all = caller.may(USAGE_READ)
    if whose == "organization" and not may_read_all:
        raise PermissionMissing(f"This API key lacks the permission {USAGE_READ}; ask with 'whose=key' for its own.")
    if may_read_all and whose != "key":
        return None
    if caller.key_id is None:
        raise PermissionMissing(f"There is no key whose runs these could be, and all take the permission {USAGE_READ}.")
    return caller.key_id
