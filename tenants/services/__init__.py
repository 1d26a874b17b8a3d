"""What may be done to organizations, members, keys and credentials."""

from tenants.services.credentials import (
    remove_credential,
    rotate_data_key,
    rotate_kek,
    shred_secrets,
    store_credential,
)
from tenants.services.keys import issue_key, note_use, revoke_key, write_uses
from tenants.services.limits import remove_limits, set_limits
from tenants.services.members import add_member, change_role, remove_member
from tenants.services.organizations import (
    create_organization,
    resume_organization,
    set_time_zone,
    suspend_organization,
)

__all__ = [
    "add_member",
    "change_role",
    "create_organization",
    "issue_key",
    "note_use",
    "remove_credential",
    "remove_limits",
    "remove_member",
    "resume_organization",
    "revoke_key",
    "rotate_data_key",
    "rotate_kek",
    "set_limits",
    "set_time_zone",
    "shred_secrets",
    "store_credential",
    "suspend_organization",
    "write_uses",
]
