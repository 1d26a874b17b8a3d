"""The tools that skills bring, and what a call of each costs: by its own word, and by the owner's."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agents.services.drafts import SkillChoice
from skills import registry
from skills.sdk import Skill
from skills.sdk.decorators import specs_of
from skills.sdk.specs import NANOS_PER_CREDIT, PricingSpec, ToolSpec


@dataclass(frozen=True, kw_only=True)
class OfferedTool:
    """A tool and its own price in nanodollars: None where each call says what it costs."""

    name: str
    nanos: int | None


def tools_of(skill: type[Skill]) -> Iterator[OfferedTool]:
    """The tools of a skill, as its class declares them."""
    for name in dict.fromkeys(name for parent in reversed(skill.__mro__) for name in vars(parent)):
        function = inspect.getattr_static(skill, name, None)
        specs = specs_of(function) if inspect.isfunction(function) else ()
        price = next((spec for spec in specs if isinstance(spec, PricingSpec)), None)
        for spec in specs:
            if isinstance(spec, ToolSpec):
                yield OfferedTool(name=spec.name, nanos=_own_price(price))


def dearest_tool(choices: Sequence[SkillChoice], prices: Mapping[str, int]) -> OfferedTool | None:
    """Of the tools that are switched on the one whose call costs most; None where all are free or say so by call."""
    tools = (tool for choice in choices if choice.enabled for tool in tools_of(registry.skill_class(choice.skill)))
    priced = [OfferedTool(name=tool.name, nanos=prices.get(tool.name, tool.nanos)) for tool in tools]
    return max((tool for tool in priced if tool.nanos), key=lambda tool: tool.nanos or 0, default=None)


def _own_price(price: PricingSpec | None) -> int | None:
    if price is None:
        return 0
    if price.lock is not None or price.settle is not None:
        return None
    return int((price.credits_per_call or 0) * NANOS_PER_CREDIT)
