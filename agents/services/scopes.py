"""How close a caller is to an agent, and what skills learn of it."""

from agents.selectors import Resolved
from skills.sdk import RunCaller, Scope
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


def run_caller(
    caller: Caller | None, *, scope: Scope = "all", end_user: str | None = None, conversation_id: str | None = None
) -> RunCaller:
    """The caller as skills know it; a stranger has no organization."""
    if caller is None:
        return RunCaller(organization_id="", scope=scope, end_user=end_user, conversation_id=conversation_id)
    return RunCaller(
        organization_id=str(caller.organization_id),
        scope=scope,
        key_id=str(caller.key_id) if caller.key_id else None,
        user_id=str(caller.user_id) if caller.user_id is not None else None,
        end_user=end_user,
        conversation_id=conversation_id,
    )
