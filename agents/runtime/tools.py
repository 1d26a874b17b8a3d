"""An agent's tools, and how one call of one of them is carried out."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from agents.runtime import threads
from agents.runtime.results import content_of
from skills.sdk.calls import Content, ToolCall
from skills.sdk.context import RunContext, Scope
from skills.sdk.errors import BudgetExhausted, SkillError, ToolFailed, ToolTimedOut
from skills.sdk.schema import Arguments, GivenArguments, arguments_of
from skills.sdk.specs import NANOS_PER_CREDIT, PricingInfo, PricingSpec, ToolSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BoundTool:
    """A skill's method that the model may call. `scope` is the narrower of the skill's and the tool's."""

    name: str
    skill: str
    scope: Scope
    spec: ToolSpec
    method: Callable[..., Any]
    arguments: Arguments | GivenArguments
    pricing: PricingSpec | None = None
    definition: Mapping[str, Any]
    """As it is offered to a model, in Chat Completions shape."""
    is_repriced: bool = False
    """Whether the agent's owner set the price: what the tool itself tells of one counts for nothing."""

    def at(self, nanos: int | None) -> "BoundTool":
        """The same at a price of the owner's: nothing for 0; its own price for None."""
        if nanos is None:
            return self
        pricing = PricingSpec(credits_per_call=Decimal(nanos) / NANOS_PER_CREDIT) if nanos else None
        return replace(self, pricing=pricing, is_repriced=True)


def bind(
    method: Callable[..., Any], *, spec: ToolSpec, pricing: PricingSpec | None, skill: str, scope: Scope
) -> BoundTool:
    """Make a tool of a skill's method; raises TypeError when a parameter has no JSON schema, or its price no method."""
    arguments = arguments_of(method)
    function = {"name": spec.name, "description": spec.description, "parameters": arguments.schema}
    return BoundTool(
        name=spec.name,
        skill=skill,
        scope=scope,
        spec=spec,
        method=method,
        arguments=arguments,
        pricing=None if pricing is None else pricing.of(getattr(method, "__self__", None)),
        definition={"type": "function", "function": function},
    )


async def carry_out(
    tool: BoundTool, ctx: RunContext, call: ToolCall, *, seconds: float, limit_bytes: int, needs_approval: bool = False
) -> Content:
    """Check the arguments, ask a person if one has to be, run the tool, pay for it.

    Raises a SkillError that the model may read.
    """
    arguments = tool.arguments.parse(call.arguments)
    if needs_approval:
        await _approved(tool, ctx, arguments)
    seconds = tool.spec.timeout_s or seconds
    carried = _elsewhere if tool.spec.background else guarded
    work = partial(carried, tool, ctx, call, arguments, seconds=seconds, limit_bytes=limit_bytes)
    if tool.pricing is None:
        content, info = await work()
        if info is not None and not tool.is_repriced:
            logger.error(
                "The tool %s returned a price but is not decorated with @pricing; it is not charged.", tool.name
            )
        return content
    return await _paid(tool, tool.pricing, ctx, call, arguments, work)


async def _approved(tool: BoundTool, ctx: RunContext, arguments: Mapping[str, Any]) -> None:
    if not await ctx.ports.approvals.ask(tool=tool.name, arguments=arguments, reason=tool.spec.description):
        raise ToolFailed(f"A member of the organization declined this call of {tool.name}.")


async def _paid(
    tool: BoundTool,
    pricing: PricingSpec,
    ctx: RunContext,
    call: ToolCall,
    arguments: Mapping[str, Any],
    work: Callable[[], Awaitable[tuple[Content, PricingInfo | None]]],
) -> Content:
    """Hold, run, charge; whatever goes wrong, what was held is given back."""
    meter = ctx.ports.meter
    with _boundary(tool, ctx):
        held = pricing.held(arguments)
        await meter.reserve_tool(call_id=call.id, tool=tool.name, credits=held)
    charged = False
    try:
        content, info = await work()
        assert info is not None
        meter.charge_tool(call_id=call.id, tool=tool.name, credits=info.credits, reason=info.reason or pricing.reason)
        charged = True
    finally:
        if not charged:
            meter.release_tool(call_id=call.id)
    return content


async def _elsewhere(
    tool: BoundTool, ctx: RunContext, call: ToolCall, _: Mapping[str, Any], *, seconds: float, limit_bytes: int
) -> tuple[Content, PricingInfo | None]:
    """The same, carried out by a worker, which has its own limit of time."""
    with _boundary(tool, ctx):
        carried = await ctx.ports.background.execute(
            call_id=call.id,
            tool=tool.name,
            arguments=call.arguments,
            timeout_s=seconds,
            idempotent=tool.spec.idempotent,
        )
    info = None if carried.credits is None else PricingInfo(credits=carried.credits, reason=carried.reason)
    return carried.content, info


async def guarded(
    tool: BoundTool,
    ctx: RunContext,
    call: ToolCall,
    arguments: Mapping[str, Any],
    *,
    seconds: float,
    limit_bytes: int,
) -> tuple[Content, PricingInfo | None]:
    """The content of a call whose arguments are checked, and what it costs if it has a price.

    Raises a SkillError that the model may read, whatever the tool does.
    """
    limit = asyncio.timeout(seconds)
    with _boundary(tool, ctx):
        try:
            async with limit:
                result = await _invoke(tool, ctx, arguments)
        except TimeoutError:
            if limit.expired():
                raise ToolTimedOut(f"{tool.name} did not finish within {seconds:g} seconds.") from None
            raise
        info = None
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], PricingInfo):
            result, info = result
        if tool.pricing is not None and (info is None or tool.is_repriced):
            info = PricingInfo(credits=tool.pricing.charged(result))
        return content_of(result, limit_bytes=limit_bytes), info


@contextmanager
def _boundary(tool: BoundTool, ctx: RunContext) -> Iterator[None]:
    """Whatever an author's code raises, a run goes on: it is recorded here, and the model is told that it failed.

    So it is told that there is no money for the call: what can be said without it may still be paid for.
    """
    try:
        yield
    except BudgetExhausted as exhausted:
        raise ToolFailed(
            f"There is not enough money left for this call of {tool.name}. Go on without it."
        ) from exhausted
    except SkillError:
        raise
    except Exception as error:
        logger.exception("The tool %s of the skill %s failed in run %s.", tool.name, tool.skill, ctx.run_id)
        raise ToolFailed(f"{tool.name} failed for a reason of its own ({type(error).__name__}).") from None


async def _invoke(tool: BoundTool, ctx: RunContext, arguments: Mapping[str, Any]) -> Any:
    if tool.arguments.context_parameter is not None:
        arguments = {**arguments, tool.arguments.context_parameter: ctx}
    if inspect.iscoroutinefunction(tool.method):
        return await tool.method(**arguments)
    return await threads.work(tool.method, arguments, organization_id=ctx.organization_id)
