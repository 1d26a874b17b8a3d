"""Which schemas a model can be held to."""

from typing import Any

import pytest

from skills.sdk.formats import InvalidSchema, check_strict


def thing(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def nested(levels: int) -> dict[str, Any]:
    schema = thing(leaf={"type": "string"})
    for _ in range(levels - 2):
        schema = thing(inner=schema)
    return schema


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    "schema",
    [
        thing(),
        thing(a=TEXT, b={"type": ["integer", "null"]}, c={"type": "array", "items": thing(d={"enum": [1, 2]})}),
        {**thing(next={"anyOf": [{"$ref": "#"}, {"type": "null"}]}), "title": "A list", "$schema": "x"},
        {**thing(a={"$ref": "#/$defs/a~1b"}), "$defs": {"a/b": {"const": "x"}}},
        thing(a={"type": "string", "pattern": r"^\d{4}-[a-z]+$", "format": "date", "description": "When."}),
        thing(a={"enum": list(range(1_000))}),
        nested(10),
    ],
)
def test_a_schema_within_the_rules(schema: dict[str, Any]) -> None:
    check_strict(schema)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array", "items": TEXT}, "root must be of the type 'object'"),
        ({**thing(), "anyOf": [thing()]}, "root"),
        ({"type": "object"}, "additionalProperties"),
        ({**thing(a=TEXT), "additionalProperties": True}, "additionalProperties"),
        ({**thing(a=TEXT), "required": []}, "'a' is missing"),
        (thing(a={"type": "object", "properties": {}}), "a must say"),
        (thing(a={"type": "array", "items": {"type": "object"}}), r"a\[\] must say"),
        ({**thing(), "required": [{}]}, "array of names"),
        (thing(a={"type": "string", "required": 5}), "array of names"),
        (thing(a={}), "a has no 'type'"),
        (thing(a=True), "a must be an object"),
        (thing(a={"type": "text"}), "does not know"),
        (thing(a={"allOf": [TEXT]}), "'allOf'"),
        (thing(a={"type": "string", "not": {"const": "x"}}), "'not'"),
        (thing(a={"oneOf": [TEXT]}), "'oneOf'"),
        (thing(a={"$ref": "https://example.com/schema.json"}), "outside the schema"),
        (thing(a={"$ref": "file:///etc/passwd"}), "outside the schema"),
        (thing(a={"$ref": "#/$defs/none"}), "not in the schema"),
        (thing(a={"type": "string", "pattern": "(?=x)y"}), "look-around"),
        (thing(a={"type": "string", "pattern": "x" * 1_001}), "1000 characters"),
        (thing(a={"type": "string", "pattern": "((a{1000}){1000}){1000}"}), "cannot|can be checked"),
        (thing(a={"enum": []}), "with values"),
        (thing(a={"enum": list(range(1_001))}), "1000 values"),
        (thing(**{f"p{n}": TEXT for n in range(5_001)}), "5000 properties"),
        (thing(**{"x" * 120_001: TEXT}), "120000 characters"),
        (nested(11), "10 levels"),
        ({**thing(), "$defs": [1]}, r"'\$defs'"),
        (thing(a={"anyOf": {}}), "'anyOf'"),
    ],
)
def test_a_schema_against_the_rules_is_told_which(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSchema, match=words):
        check_strict(schema)
