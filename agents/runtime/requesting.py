"""What each model call of a run is asked, as far as it differs from the call before."""

from collections.abc import Mapping, Set
from typing import Any

from skills.sdk.errors import ModelRejected
from skills.sdk.model import FinishReason, Message

NO_TOOLS_LEFT: Message = {
    "role": "system",
    "content": "No more tools can be used. Give the best answer you can with what you know now.",
}


def turn_parameters(
    parameters: Mapping[str, Any], *, is_first: bool, has_tools: bool, client_names: Set[str] = frozenset()
) -> Mapping[str, Any]:
    """The parameters of one model call.

    Only the first call may be forced to use one of the agent's tools, or it would be forced forever; a client that
    demands a call of its own tools waits for one. Only the first has `n` choices: what follows goes on with the first
    of them. How to use tools is not said where there are none.
    """
    if not has_tools:
        meaningless = (
            ("tool_choice", "parallel_tool_calls") if is_first else ("n", "tool_choice", "parallel_tool_calls")
        )
        return {name: value for name, value in parameters.items() if name not in meaningless}
    if is_first:
        return parameters
    rest = {name: value for name, value in parameters.items() if name not in ("n", "tool_choice")}
    if (choice := _later(parameters.get("tool_choice"), client_names)) is not None:
        rest["tool_choice"] = choice
    return rest


def ending(reason: FinishReason) -> FinishReason:
    """Why a reply ended that calls nothing which could be called."""
    return "stop" if reason == "tool_calls" else reason


def field_of(rejected: ModelRejected) -> str:
    """The field of the request that a model rejects, be it for something inside it."""
    return (rejected.parameter or "").partition(".")[0]


def smaller(one: int | None, other: int | None) -> int | None:
    """The smaller of two limits, where None is no limit."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _later(choice: Any, client_names: Set[str]) -> Any:
    """A tool_choice for later calls: free to answer unless a tool of the client's is still demanded; None for any."""
    if choice == "none" or (choice == "required" and client_names):
        return choice
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools", {})
        if any(tool.get("function", {}).get("name") in client_names for tool in allowed.get("tools", ())):
            return choice
        return {**choice, "allowed_tools": {**allowed, "mode": "auto"}}
    return None
