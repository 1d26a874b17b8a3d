"""Every field of a chat completion request, drawn from the types it is read with, and what is done with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import inspect

from api.openai.fields import FIELDS

FORWARDED = "Forwarded."
REFUSED = "Refused: 400 `unsupported_parameter`."
LEFT_OUT = "Left out, and named."
MARK = "Goes to models that know it; else left out, and named."
DOES: Mapping[str, str] = {
    "function_call": "The old `tool_choice`; sent on as that.",
    "functions": "The old `tools`; sent on as those, one call at a time, and answered in the old form.",
    "max_completion_tokens": "Limits the run, and what is reserved for it; sent on by the name the model has for it.",
    "max_tokens": "The old name of `max_completion_tokens`.",
    "messages": "The conversation. `system` and `developer` messages follow the agent's own instructions.",
    "model": "Names the agent. Ignored where the address names it.",
    "n": "Forwarded. Every choice is reserved for; only the first can use the agent's own tools.",
    "parallel_tool_calls": "Forwarded where there are tools.",
    "response_format": "Forwarded, or told in words to a model without a field for it. "
    "What has to be JSON, or to fit a strict schema, is checked, and mended once.",
    "safety_identifier": "Forwarded. Names the end user whose memory it is.",
    "stream": "The same events, one by one.",
    "stream_options": "Shapes the stream; models are always asked for usage.",
    "tool_choice": "Forwarded in the first turn, where there are tools. Later calls may be forbidden or limited,"
    " and stay demanded only while the client waits for a call of its own tools.",
    "stream_options.include_obfuscation": "Pads the pieces of the stream.",
    "stream_options.include_usage": "A last chunk says what the run used.",
    "tools": "The client's own, offered beside the agent's; of one name, the client's wins. Never run by the server.",
    "user": "Forwarded. Names the end user where `safety_identifier` does not.",
    "messages[].content[file].file.file_id": REFUSED + " An id would name a file among those of whoever's key is used.",
    "messages[].content[file].file.file_data": "Forwarded, in base64 or as a data URL; an address is refused.",
    "messages[].content[image_url].image_url.url": "Forwarded: a data URL, or an address on the public internet.",
    "messages[developer].name": LEFT_OUT,
    "messages[system].name": LEFT_OUT,
    "messages[function].content": "Sent on as the result of the call before it.",
    "messages[function].name": "Answers the call before it.",
    "messages[assistant].function_call": "Sent on as a tool call.",
    "messages[].tool_calls[custom]": REFUSED,
    "tools[custom]": REFUSED,
    "tool_choice[custom]": REFUSED,
    "tool_choice.allowed_tools.tools[custom]": REFUSED,
}
"""What is done with a field, where there is more to say than that it is forwarded; roles are left out of paths."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """The way from a type to one inside it: a field of a struct, or with `field` None the items of a list."""

    struct: inspect.StructType | None = None
    field: inspect.Field | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One field: where it stands, what it may be, and what is done with it. `steps` lead to it from the first name."""

    path: str
    kind: inspect.Type
    does: str
    required: bool
    steps: tuple[Step, ...] = ()

    @property
    def top(self) -> str:
        """The field of the request that it is, or is in."""
        return self.path.partition(".")[0].partition("[")[0]

    @property
    def name(self) -> str:
        """What it is called itself."""
        return self.steps[-1].field.encode_name if self.steps and self.steps[-1].field else self.top


def rows() -> Iterator[Row]:
    """Every field, those inside others after them."""
    for name in sorted(FIELDS):
        kind = inspect.type_info(FIELDS[name])
        yield Row(path=name, kind=kind, does=DOES.get(name, FORWARDED), required=name == "messages")
        yield from _inside(kind, name, DOES.get(name, FORWARDED), ())


def described(kind: inspect.Type) -> str:
    """A type and its range, in words."""
    match kind:
        case inspect.UnionType(types=types):
            return " or ".join(
                dict.fromkeys(described(part) for part in types if not isinstance(part, inspect.NoneType))
            )
        case inspect.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case inspect.StrType(min_length=least, max_length=most, pattern=pattern):
            limits = [f"up to {most:,} characters" if most else "", f"of `{pattern[1:-1]}`" if pattern else ""]
            return " ".join(["string", *filter(None, ["not empty" if least and not pattern else "", *limits])])
        case inspect.IntType(ge=least, le=most):
            return f"integer{_range(least, most)}"
        case inspect.FloatType(ge=least, le=most):
            return f"number{_range(least, most)}"
        case inspect.ListType(item_type=item, min_length=least, max_length=most):
            return f"array{_count(least, most)} of {described(item)}"
        case inspect.DictType(max_length=most, value_type=value):
            inside = "" if isinstance(value, inspect.AnyType) else f" of {described(value)}"
            return f"object{f' with up to {most:,} members' if most else ''}{inside}"
        case inspect.StructType(tag=tag):
            return f"`{tag}`" if tag else "object"
        case inspect.BoolType():
            return "true or false"
    return "anything"


def _inside(kind: inspect.Type, path: str, does: str, steps: tuple[Step, ...]) -> Iterator[Row]:
    match kind:
        case inspect.UnionType(types=types):
            for part in types:
                yield from _inside(part, path, does, steps)
        case inspect.ListType(item_type=item):
            yield from _inside(item, f"{path}[]", does, (*steps, Step()))
        case inspect.StructType(fields=fields):
            where = _tagged(path, kind)
            does = _does(where, does if does in (REFUSED, LEFT_OUT) else FORWARDED)
            for field in fields:
                yield from _field(field, kind, where, does, steps)


def _field(
    field: inspect.Field, struct: inspect.StructType, where: str, does: str, steps: tuple[Step, ...]
) -> Iterator[Row]:
    path = f"{where}.{field.encode_name}"
    if field.encode_name in getattr(struct.cls, "ignored", ()):
        does = LEFT_OUT
    elif field.encode_name in ("cache_control", "prompt_cache_breakpoint"):
        does = MARK
    does = _does(path, does)
    steps = (*steps, Step(struct=struct, field=field))
    yield Row(path=path, kind=field.type, does=does, required=field.required, steps=steps)
    yield from _inside(field.type, path, does, steps)


def _does(path: str, default: str) -> str:
    return DOES.get(path) or DOES.get(_without_role(path), default)


def _tagged(path: str, struct: inspect.StructType) -> str:
    if struct.tag is None:
        return path
    return f"{path.removesuffix('[]')}[{struct.tag}]"


def _without_role(path: str) -> str:
    for role in ("developer", "system", "user", "assistant", "tool", "function"):
        path = path.replace(f"messages[{role}]", "messages[]")
    return path.replace("tool_choice[allowed_tools]", "tool_choice")


def _range(least: Any, most: Any) -> str:
    return f" from {least:,} to {most:,}" if least is not None and most is not None else ""


def _count(least: int | None, most: int | None) -> str:
    if most is None:
        return ""
    return f" of {least} to {most:,}" if least else f" of up to {most:,}"
