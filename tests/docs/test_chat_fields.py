"""The table of a completion's fields says what happens: a right value goes where it says, a wrong one is named."""

import json
from typing import Any

import pytest
from msgspec import inspect

from api.openai.schemas import Completion, decode
from api.problems import InvalidRequest
from docs.chat_fields import FORWARDED, LEFT_OUT, MARK, REFUSED, Row, Step, rows
from docs.chat_page import chat_page

ROWS = list(rows())
SAMPLES: dict[tuple[str, str], Any] = {
    ("FileData", "file_data"): "data:application/pdf;base64,AAAA",
    ("FileData", "file_id"): None,
    ("ImageUrl", "url"): "https://example.com/a.png",
    ("SchemaFormat", "schema"): {
        "type": "object", "properties": {}, "required": [], "additionalProperties": False, "title": "A title",
    },
    ("Call", "id"): "call_0123456789",
    ("ToolResult", "tool_call_id"): "call_0123456789",
}  # fmt: skip
"""Values that have to be more than of the right type."""
ASKED = {"role": "user", "content": "hello"}
CALLING = {"role": "assistant", "tool_calls": [
    {"id": "call_0123456789", "type": "function", "function": {"name": "a", "arguments": "{}"}},
]}  # fmt: skip
ANSWERING = {"role": "tool", "content": "x", "tool_call_id": "call_0123456789"}
OLD_CALL = {"role": "assistant", "content": None, "function_call": {"name": "a", "arguments": "{}"}}
OLD_ANSWER = {"role": "function", "name": "a", "content": "x"}


def right(kind: inspect.Type) -> Any:
    """A value of a type, with all that it may hold but what is refused."""
    match kind:
        case inspect.UnionType(types=types):
            return right(types[0])
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.StrType():
            return "words"
        case inspect.IntType(ge=least):
            return max(least or 0, 1)
        case inspect.FloatType():
            return 0.5
        case inspect.BoolType():
            return True
        case inspect.ListType(item_type=item):
            return [right(item)]
        case inspect.DictType():
            return {"50256": right(kind.value_type)}
        case inspect.StructType():
            return struct(kind)
    return {"any": "thing"}


def struct(kind: inspect.StructType, **given: Any) -> dict[str, Any]:
    tag = {kind.tag_field: kind.tag} if kind.tag_field else {}
    required = {
        field.encode_name: SAMPLES.get((kind.cls.__name__, field.encode_name), right(field.type))
        for field in kind.fields
        if field.required or (kind.cls.__name__, field.encode_name) in SAMPLES
    }
    return {name: value for name, value in {**tag, **required, **given}.items() if value is not None}


def leaf(row: Row) -> Any:
    step = row.steps[-1] if row.steps else Step()
    if step.struct is not None and step.field is not None:
        sample = SAMPLES.get((step.struct.cls.__name__, step.field.encode_name))
        return right(row.kind) if sample is None else sample
    return right(row.kind)


def wrapped(value: Any, steps: tuple[Step, ...]) -> Any:
    """The value where the steps lead to, in a whole field of a request."""
    for step in reversed(steps):
        value = struct(step.struct, **{step.field.encode_name: value}) if step.struct and step.field else [value]
    return value


def asked(row: Row, value: Any) -> Completion:
    """The request that has this value in this row's field, and what the field needs beside it."""
    body: dict[str, Any] = {"messages": [ASKED], row.top: wrapped(value, row.steps)}
    if row.top == "messages" and row.steps:
        body["messages"] = _conversation(body["messages"][0])
    if row.top == "top_logprobs":
        body["logprobs"] = True
    if row.top == "stream_options":
        body["stream"] = True
    return decode(json.dumps(body).encode())


def _conversation(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The message and those that it cannot be without."""
    role = message["role"]
    if role == "assistant":
        message.setdefault("content", "x")
        results = [ANSWERING] if message.get("tool_calls") else [OLD_ANSWER] if message.get("function_call") else []
        return [message, *results]
    before: dict[str, list[dict[str, Any]]] = {"tool": [CALLING], "function": [OLD_CALL]}
    return [*before.get(role, []), message]


def wrong(kind: inspect.Type) -> list[Any]:
    """Values that a type does not allow, or that are beyond its range."""
    match kind:
        case inspect.UnionType(types=types):
            return [] if any(isinstance(part, inspect.AnyType) for part in types) else [-5.5]
        case inspect.LiteralType():
            return ["nonsense", 5]
        case inspect.StrType(max_length=most):
            return [5, *(["x" * (most + 1)] if most else [])]
        case inspect.IntType(ge=least, le=most) | inspect.FloatType(ge=least, le=most):
            return ["x", *([least - 1] if least is not None else []), *([most + 1] if most is not None else [])]
        case inspect.BoolType():
            return ["yes", 1]
        case inspect.ListType(max_length=most):
            return [{}, *([[right(kind.item_type)] * (most + 1)] if most else [])]
        case inspect.DictType() | inspect.StructType():
            return [[], "x"]
    return []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.path)
def test_a_right_value_goes_where_the_table_says(row: Row) -> None:
    value = leaf(row)
    if row.does.startswith(REFUSED):
        with pytest.raises(InvalidRequest) as refused:
            asked(row, "file-1" if row.name == "file_id" else value)
        assert refused.value.code == "unsupported_parameter"
        return

    completion = asked(row, value)

    reached = json.dumps([completion.parameters, completion.messages, completion.tools], sort_keys=True)
    if row.does in (FORWARDED, MARK) and not _is_opened(row):
        assert f"{json.dumps(row.name)}: {json.dumps(value, sort_keys=True)}" in reached
    elif row.does == LEFT_OUT and row.name != "name":
        assert any(name.endswith(f".{row.name}") for name in completion.ignored)
        assert json.dumps(row.name) not in reached


def _is_opened(row: Row) -> bool:
    """Whether the field is sent on in another place: a message's mark on its last part, an old call as a new one."""
    return (row.name == "cache_control" and len(row.steps) == 2) or row.top in ("tool_choice", "function_call")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.path)
def test_a_wrong_value_is_a_400_that_names_the_field(row: Row) -> None:
    for value in wrong(row.kind):
        with pytest.raises(InvalidRequest) as refused:
            asked(row, value)

        param = refused.value.param or ""
        assert param.startswith(row.top)
        assert row.name in param or row.name == row.top


def test_every_field_has_a_row() -> None:
    page = chat_page("")

    assert all(f"| `{row.path}`" in page for row in ROWS)
    assert len({row.path for row in ROWS}) == len(ROWS)
