"""What workers do for agents: each task takes no more than ids and calls one service."""

from uuid import UUID

from celery import shared_task

from agents.services import approvals, housekeeping, mcp_servers, tool_executions, tool_worker


@shared_task
def purge_expired_items() -> int:
    """Remove what was kept for a time, once nobody can read it any more."""
    return housekeeping.purge_expired_items()


@shared_task
def close_abandoned_runs() -> int:
    """End the rows of runs whose process died."""
    return housekeeping.close_abandoned_runs()


@shared_task
def expire_approvals() -> int:
    """End the questions of runs that were killed while they waited."""
    return approvals.expire_forgotten()


@shared_task(soft_time_limit=None, time_limit=600)
def execute_tool(organization_id: str, execution_id: str) -> str:
    """Carry out a tool that a run waits for; it has limits of its own."""
    return tool_worker.carry_out(UUID(execution_id))


@shared_task
def sweep_tool_executions() -> int:
    """See to tools whose workers died, for runs that do not wait for them any more."""
    return tool_executions.sweep()


@shared_task
def purge_tool_executions() -> int:
    """Remove what tools returned long ago."""
    return tool_executions.purge()


@shared_task
def look_at_mcp_servers() -> int:
    """Ask MCP servers whether they are what was approved."""
    return mcp_servers.look_at_all()
