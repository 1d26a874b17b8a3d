"""Writes down what each model call of a run used, those that came to nothing included."""

from agents.runtime.answering import Candidate
from skills.sdk.context import RunContext
from skills.sdk.usage import Usage, UsageRecord, counted


def record(
    ctx: RunContext, candidate: Candidate, usage: Usage | None, *, agent_id: str, input_bytes: int, reply_id: str = ""
) -> None:
    """Record a call, and the attempts before it that were tried again; `usage` is None for one that did not begin."""
    in_vain = counted(input_bytes=input_bytes, output_bytes=0)
    retries, ctx.waited.retries = ctx.waited.retries, 0
    for _ in range(retries):
        _keep(ctx, candidate, in_vain, agent_id=agent_id, delivered=False)
    _keep(ctx, candidate, usage or in_vain, agent_id=agent_id, delivered=usage is not None, reply_id=reply_id)


def _keep(
    ctx: RunContext, candidate: Candidate, usage: Usage, *, agent_id: str, delivered: bool, reply_id: str = ""
) -> None:
    record = UsageRecord(
        model=candidate.model,
        usage=usage,
        platform_credential=candidate.skill.used_platform_credential(ctx),
        agent_id=agent_id,
        delivered=delivered,
        reply_id=reply_id,
    )
    ctx.usage.append(record)
    ctx.ports.meter.record(record)
