"""How much a model thinks before it answers."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from skills.sdk import ModelRejected

Mode: TypeAlias = Literal["auto", "adaptive", "budget", "off"]

LEAST_BUDGET = 1_024
"""The API takes no smaller one."""
LEFT_TO_ANSWER = 256
"""So many tokens at least stay for the answer."""
BUDGETS: Mapping[str, int] = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 24_576, "xhigh": 32_768}
EFFORTS: Mapping[str, str] = {
    "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max",
}  # fmt: skip
OFF: Mapping[str, Any] = {"type": "disabled"}


def thinking_of(parameters: Mapping[str, Any], *, mode: Mode, budget: int, max_tokens: int) -> dict[str, Any] | None:
    """The API's `thinking`; None leaves it to the model. Raises ModelRejected where the agent's owner said no.

    A request's own `thinking` goes before its `reasoning_effort`, and that before the agent's way.
    """
    asked, effort = parameters.get("thinking"), parameters.get("reasoning_effort")
    thinking: dict[str, Any] | None
    if asked is not None:
        thinking = _own(asked)
    elif effort == "none":
        thinking = dict(OFF)
    elif mode == "budget":
        thinking = {"type": "enabled", "budget_tokens": BUDGETS.get(str(effort), budget)}
    elif mode == "adaptive" or effort is not None:
        thinking = {"type": "adaptive"}
    else:
        thinking = dict(OFF) if mode == "off" else None
    if mode == "off" and thinking not in (None, OFF):
        name = "thinking" if asked is not None else "reasoning_effort"
        raise ModelRejected("The agent's model does not think.", parameter=name, code="unsupported_parameter")
    return _within(thinking, max_tokens)


def effort_of(parameters: Mapping[str, Any], thinking: Mapping[str, Any] | None) -> str | None:
    """The API's `effort`, where the thinking has no budget of its own."""
    if thinking is None or thinking["type"] != "adaptive":
        return None
    return EFFORTS.get(str(parameters.get("reasoning_effort")))


def thinks(thinking: Mapping[str, Any] | None) -> bool:
    """Whether the model was told to think."""
    return thinking is not None and thinking["type"] != "disabled"


def _own(asked: Any) -> dict[str, Any]:
    match asked:
        case {"type": "enabled", "budget_tokens": int(budget)}:
            return {"type": "enabled", "budget_tokens": budget}
        case {"type": "adaptive" | "disabled" as kind}:
            return {"type": kind}
    raise ModelRejected(
        "'thinking' is {'type': 'enabled', 'budget_tokens': …}, {'type': 'adaptive'} or {'type': 'disabled'}.",
        parameter="thinking",
        code="invalid_value",
    )


def _within(thinking: dict[str, Any] | None, max_tokens: int) -> dict[str, Any] | None:
    """A budget is part of what the whole reply may have; where not even the least one fits, nothing is thought."""
    if thinking is None or thinking["type"] != "enabled":
        return thinking
    most = max_tokens - LEFT_TO_ANSWER
    return {**thinking, "budget_tokens": min(thinking["budget_tokens"], most)} if most >= LEAST_BUDGET else dict(OFF)
