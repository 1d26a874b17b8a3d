"""The scripted model, asked by schemas and words that mean it no good."""

import json
from typing import Any

import pytest

from tests.skills.test_scripted import text_of


def _members(count: int, each: Any, **more: Any) -> dict[str, Any]:
    names = [f"p{number}" for number in range(count)]
    return {"type": "object", "properties": dict.fromkeys(names, each), "required": names, **more}


LEAF = {"$ref": "#/$defs/leaf"}


@pytest.mark.parametrize(
    "schema",
    [
        _members(10, {"$ref": "#"}),
        _members(5_000, LEAF, **{"$defs": {"leaf": {"const": "x" * 100_000}}}),
        _members(5_000, LEAF, **{"$defs": {"leaf": {"enum": ["x" * 100_000]}}}),
        _members(5_000, LEAF, **{"$defs": {"leaf": {"minLength": 10**12}}}),
        _members(5_000, LEAF, **{"$defs": {"leaf": {"enum": list(range(5_000))}}}),
        _members(1, LEAF, **{"$defs": {"leaf": {"anyOf": [LEAF, LEAF]}}}),
        {
            "$ref": "#/$defs/list",
            "$defs": {"list": {"items": {"$ref": "#/$defs/list"}, "type": "array", "minItems": 9}},
        },
    ],
    ids=["branches", "constants", "enums", "lengths", "choices", "alternatives", "arrays"],
)
async def test_a_small_schema_of_something_huge_is_cut_off(schema: dict[str, Any]) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}

    assert len(await text_of("x", response_format=wanted)) <= 1_000_000


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": 5},
        {"anyOf": [True, 5]},
        {"enum": 5},
        {"type": [{}]},
        {"type": "array", "items": True, "minItems": "2"},
        {"type": "string", "maxLength": -1, "minLength": [], "format": []},
        {"type": "object", "properties": [1]},
        {"type": "object", "properties": {"a": 5}, "required": [{}, "a"]},
        {"$ref": 5},
        {"$ref": "#/enum/0", "enum": [1]},
        {"type": "integer", "minimum": "1", "maximum": []},
    ],
    ids=str,
)
async def test_what_is_no_schema_counts_as_absent(schema: dict[str, Any]) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}

    json.loads(await text_of("9" * 400, response_format=wanted))


@pytest.mark.parametrize("said", ["sqrt " + "(" * 20_000, "in " + "A-" * 100_000, "say" + " " * 100_000 + "x"])
async def test_what_is_said_at_length_is_read_in_part(said: str) -> None:
    assert await text_of(said)


async def test_a_call_of_the_clients_that_is_nested_without_end_is_no_json() -> None:
    function = {"name": "f", "arguments": "[" * 100_000}
    called = {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": function}]}

    assert await text_of([called, {"role": "tool", "tool_call_id": "c", "content": "Rain."}]) == "f says: Rain."


async def test_an_echo_has_an_end() -> None:
    assert len(await text_of("say " + "x" * 1_000_001)) == 1_000_000
