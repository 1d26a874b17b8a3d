"""The tools a request brings along, in their current and in their legacy form."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from api.openai.decoding import Fields, as_json, decoded
from api.problems import InvalidRequest

MAX_TOOLS = 128

FunctionName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
Description: TypeAlias = Annotated[str, Meta(max_length=100_000)]
Schema: TypeAlias = dict[str, Any]


class Named(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A function by its name."""

    name: FunctionName


class Definition(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What a model is told about a function; the legacy `functions` are these alone."""

    name: FunctionName
    description: Description | None = None
    parameters: Schema | None = None
    strict: bool | None = None


class CacheControl(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The provider's prompt cache ends here, as other providers' clients say it."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class FunctionTool(msgspec.Struct, tag="function", forbid_unknown_fields=True, omit_defaults=True):
    """A function of the client's."""

    function: Definition
    cache_control: CacheControl | None = None


class CustomTool(msgspec.Struct, tag="custom"):
    """A tool with free-form input. Known, and refused."""


class NamedChoice(msgspec.Struct, tag="function", forbid_unknown_fields=True):
    """This function and no other."""

    function: Named


class CustomChoice(msgspec.Struct, tag="custom"):
    """This custom tool and no other. Known, and refused."""


class Allowed(msgspec.Struct, forbid_unknown_fields=True):
    """A part of the tools, and whether one of them must be called."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedChoice | CustomChoice], Meta(min_length=1, max_length=MAX_TOOLS)]


class AllowedChoice(msgspec.Struct, tag="allowed_tools", forbid_unknown_fields=True):
    """Only these tools."""

    allowed_tools: Allowed


Mode: TypeAlias = Literal["none", "auto", "required"]

Tools: TypeAlias = Annotated[list[FunctionTool | CustomTool], Meta(max_length=MAX_TOOLS)]
Functions: TypeAlias = Annotated[list[Definition], Meta(max_length=MAX_TOOLS)]
Choice: TypeAlias = NamedChoice | CustomChoice | AllowedChoice

_tools = msgspec.json.Decoder(Tools | None)
_choice_mode = msgspec.json.Decoder(Mode)
_choice = msgspec.json.Decoder(Choice)
_functions = msgspec.json.Decoder(Functions | None)
_function_mode = msgspec.json.Decoder(Literal["none", "auto"])
_function_choice = msgspec.json.Decoder(Named)

Tool: TypeAlias = dict[str, Any]


def tools_of(fields: Fields) -> tuple[Tool, ...]:
    """The request's tools as the runtime takes them, whichever of the two forms they came in."""
    if "functions" in fields and "tools" in fields:
        raise InvalidRequest("'functions' is the old name of 'tools'. Send one of them.", param="functions")
    tools = _modern(fields) if "tools" in fields else _legacy(fields)
    names = [tool["function"]["name"] for tool in tools]
    if len(names) != len(set(names)):
        raise InvalidRequest("Two tools have the same name.", param="tools")
    return tools


def choice_of(fields: Fields) -> Any:
    """`tool_choice` in its current form, or None when the request does not say."""
    if "tool_choice" in fields:
        return _current_choice(fields["tool_choice"])
    if "function_call" in fields:
        return _legacy_choice(fields["function_call"])
    return None


def no_custom_tools(param: str) -> InvalidRequest:
    """The refusal of tools with free-form input."""
    return InvalidRequest(
        "Custom tools are not supported. Declare a function tool instead.", code="unsupported_parameter", param=param
    )


def _modern(fields: Fields) -> tuple[Tool, ...]:
    tools = []
    for index, tool in enumerate(decoded("tools", fields["tools"], _tools) or ()):
        if isinstance(tool, CustomTool):
            raise no_custom_tools(f"tools[{index}].type")
        tools.append(msgspec.to_builtins(tool))
    return tuple(tools)


def _legacy(fields: Fields) -> tuple[Tool, ...]:
    if "functions" not in fields:
        return ()
    functions = decoded("functions", fields["functions"], _functions) or ()
    return tuple({"type": "function", "function": msgspec.to_builtins(function)} for function in functions)


def _current_choice(raw: msgspec.Raw) -> Any:
    start = bytes(memoryview(raw)[:1])
    if start == b"n" and as_json(raw) is None:
        return None
    if start == b'"':
        return decoded("tool_choice", raw, _choice_mode)
    choice = decoded("tool_choice", raw, _choice)
    if isinstance(choice, CustomChoice):
        raise no_custom_tools("tool_choice.type")
    if isinstance(choice, AllowedChoice) and any(isinstance(tool, CustomChoice) for tool in choice.allowed_tools.tools):
        raise no_custom_tools("tool_choice.allowed_tools.tools")
    return msgspec.to_builtins(choice)


def _legacy_choice(raw: msgspec.Raw) -> Any:
    start = bytes(memoryview(raw)[:1])
    if start == b"n" and as_json(raw) is None:
        return None
    if start == b'"':
        return decoded("function_call", raw, _function_mode)
    return {"type": "function", "function": {"name": decoded("function_call", raw, _function_choice).name}}
