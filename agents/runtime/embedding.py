"""One call of an embedding model, as a run: paid for before it is made, and told in events."""

from collections.abc import AsyncGenerator

from agents.runtime.events import Embedded, Event, Finished
from agents.runtime.working import Working
from skills.sdk.context import RunContext
from skills.sdk.embedding import EmbeddingRequest
from skills.sdk.errors import ModelUnreachable
from skills.sdk.model import ModelSkill
from skills.sdk.usage import Usage, UsageRecord, counted

TOKEN_BYTES = 4
"""Of an input that comes as tokens, each counts as so many bytes of text."""


async def run(
    model_skill: ModelSkill, ctx: RunContext, request: EmbeddingRequest, *, seconds: float
) -> AsyncGenerator[Event]:
    """Have the model embed the inputs. Raises ModelFailed, BudgetExhausted or RunTimedOut.

    A provider that answers with another number of vectors than it was asked for has not answered.
    """
    size = size_bytes(request)
    working = Working(ctx, seconds=seconds)
    try:
        with working:
            await ctx.ports.meter.reserve_turn(input_bytes=size, max_output_tokens=0)
            made = await model_skill.embed(ctx, request)
            usage = made.usage or counted(input_bytes=size, output_bytes=0)
            _record(model_skill, ctx, request, usage)
            if len(made.vectors) != len(request.inputs):
                raise ModelUnreachable("The model's provider did not embed every input.")
        yield Embedded(vectors=made.vectors)
        yield Finished(reasons={0: "stop"}, usage=usage)
    finally:
        working.close()


def size_bytes(request: EmbeddingRequest) -> int:
    """How much there is to read."""
    return sum(len(each.encode()) if isinstance(each, str) else TOKEN_BYTES * len(each) for each in request.inputs)


def _record(model_skill: ModelSkill, ctx: RunContext, request: EmbeddingRequest, usage: Usage) -> None:
    record = UsageRecord(
        model=request.model,
        usage=usage,
        platform_credential=model_skill.used_platform_credential(ctx),
        agent_id=ctx.agent_id,
    )
    ctx.usage.append(record)
    ctx.ports.meter.record(record)
