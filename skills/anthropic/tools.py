"""Tools, and which of them have to be used, in the form of the Messages API."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from skills.anthropic.blocks import mark_of
from skills.anthropic.names import Names

Tool: TypeAlias = dict[str, Any]
ToolChoice: TypeAlias = dict[str, Any]

_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_NOT_TAKEN = (*_ALTERNATIVES, "$schema", "$id", "not", "if", "then", "else", "enum", "const")
FORCING = frozenset(("any", "tool"))


def tools_of(tools: Sequence[Mapping[str, Any]], choice: Any, *, names: Names) -> list[Tool]:
    """The tools that may be used."""
    allowed = _allowed(choice)
    functions = [(tool, tool["function"]) for tool in tools]
    return [
        {
            "name": names.sent(function["name"]),
            **({"description": function["description"]} if function.get("description") else {}),
            "input_schema": schema_of_arguments(function.get("parameters")),
            **({"strict": True} if function.get("strict") else {}),
            **mark_of(tool),
        }
        for tool, function in functions
        if allowed is None or function["name"] in allowed
    ]


def choice_of(choice: Any, *, parallel: Any, names: Names) -> ToolChoice | None:
    """Whether and which tools have to be used; None for the API's own way, which is to leave it to the model."""
    sent = _choice(choice, names)
    if parallel is False and sent != {"type": "none"}:
        return {**(sent or {"type": "auto"}), "disable_parallel_tool_use": True}
    return sent


def schema_of_arguments(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The schema of an object: at its top the API takes nothing else.

    A choice between schemas becomes one that has the properties of all of them; what all of them require is required.
    """
    given = dict(schema or {})
    merged = {name: value for name, value in given.items() if name not in _NOT_TAKEN}
    merged["type"] = "object"
    properties = dict(given.get("properties") or {})
    for word in _ALTERNATIVES:
        parts = [part for part in given.get(word) or () if isinstance(part, Mapping)]
        required = [set(part.get("required") or ()) for part in parts]
        for part in parts:
            properties = {**(part.get("properties") or {}), **properties}
        if required:
            common = set.union(*required) if word == "allOf" else set.intersection(*required)
            merged["required"] = sorted({*(merged.get("required") or ()), *common})
    merged["properties"] = properties
    return merged


def _choice(choice: Any, names: Names) -> ToolChoice | None:
    match choice:
        case "none" | "auto":
            return {"type": choice}
        case "required":
            return {"type": "any"}
        case {"type": "function", "function": {"name": str(name)}}:
            return {"type": "tool", "name": names.sent(name)}
        case {"type": "allowed_tools", "allowed_tools": {"mode": "required"}}:
            return {"type": "any"}
    return None


def _allowed(choice: Any) -> frozenset[str] | None:
    match choice:
        case {"type": "allowed_tools", "allowed_tools": {"tools": list(tools)}}:
            return frozenset(tool["function"]["name"] for tool in tools)
    return None
