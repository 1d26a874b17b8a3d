"""How close a caller is to an agent."""

from agents.selectors import Resolved
from skills.sdk import Scope
from tenants import permissions
from tenants.caller import Caller


def scope_of(caller: Caller | None, agent: Resolved) -> Scope:
    """`admin` for the platform's staff, `owner` for those who may edit the agent, `all` for everyone else."""
    if caller is None:
        return "all"
    if caller.is_staff:
        return "admin"
    owns = caller.organization_id == agent.organization_id
    return "owner" if owns and caller.may(permissions.AGENTS_WRITE) else "all"
