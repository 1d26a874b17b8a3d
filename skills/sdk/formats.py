"""What a reply may be asked to look like: the rules for schemas that models can be held to."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema

LEVELS_MAX = 10
PROPERTIES_MAX = 5_000
ENUM_VALUES_MAX = 1_000
NAMES_CHARACTERS_MAX = 120_000
"""Of the names of properties and definitions, and of the values in enums and constants, all together."""
PATTERN_CHARACTERS_MAX = 1_000

_TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
_UNSUPPORTED = (
    "$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef", "allOf", "contains", "dependencies",
    "dependentRequired", "dependentSchemas", "else", "if", "not", "oneOf", "patternProperties", "propertyNames", "then",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip


class InvalidSchema(ValueError):
    """A schema that a model cannot be held to; the message says where and why."""


def check_strict(schema: Mapping[str, Any]) -> None:
    """Raise InvalidSchema unless the schema keeps to the rules that OpenAI has for strict ones."""
    if schema.get("type") != "object" or "anyOf" in schema:
        raise InvalidSchema("its root must be of the type 'object', and no 'anyOf'.")
    _Rules(schema).check()


@lru_cache(maxsize=256)
def matcher(pattern: str) -> SchemaValidator:
    """Tells whether text matches, in time that grows with the text alone. Raises InvalidSchema for what it cannot."""
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise InvalidSchema(f"a 'pattern' has more than {PATTERN_CHARACTERS_MAX} characters.")
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        raise InvalidSchema(
            f"the pattern {pattern[:64]!r} is not one that can be checked: it has no look-around and no references."
        ) from None


class _Rules:
    """One schema being looked through, and what was counted in it so far."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._properties = 0
        self._enum_values = 0
        self._characters = 0

    def check(self) -> None:
        """Look at every schema inside, without following references: those may go in circles."""
        pending: list[tuple[Any, str, int]] = [(self._root, "", 1)]
        while pending:
            schema, where, level = pending.pop()
            if not isinstance(schema, Mapping):
                raise InvalidSchema(f"{where or 'it'} must be an object.")
            if level > LEVELS_MAX:
                raise InvalidSchema(f"{where} is nested deeper than {LEVELS_MAX} levels.")
            self._check_one(schema, where)
            pending.extend(_inside(schema, where, level))

    def _check_one(self, schema: Mapping[str, Any], where: str) -> None:
        place = where or "its root"
        for keyword in _UNSUPPORTED:
            if keyword in schema:
                raise InvalidSchema(f"{place} uses {keyword!r}, which is not allowed in a strict schema.")
        if "$ref" in schema:
            self._check_reference(schema["$ref"], place)
        elif not {"type", "anyOf", "enum", "const"} & schema.keys():
            raise InvalidSchema(f"{place} has no 'type'.")
        types = schema.get("type", [])
        types = types if isinstance(types, list) else [types]
        if not all(isinstance(kind, str) and kind in _TYPES for kind in types):
            raise InvalidSchema(f"{place} has a 'type' that JSON Schema does not know.")
        required = schema.get("required", [])
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise InvalidSchema(f"the 'required' of {place} must be an array of names.")
        if "object" in types or "properties" in schema:
            self._check_object(schema, place)
        if "pattern" in schema:
            matcher(str(schema["pattern"]))
        self._count(schema, place)

    def _check_object(self, schema: Mapping[str, Any], place: str) -> None:
        properties = schema.get("properties", {})
        if not isinstance(properties, Mapping):
            raise InvalidSchema(f"the 'properties' of {place} must be an object.")
        if schema.get("additionalProperties") is not False:
            raise InvalidSchema(f'{place} must say "additionalProperties": false.')
        if missing := properties.keys() - set(schema.get("required", [])):
            raise InvalidSchema(f"{place} must list every property under 'required'; {min(missing)!r} is missing.")
        self._properties += len(properties)
        if self._properties > PROPERTIES_MAX:
            raise InvalidSchema(f"it has more than {PROPERTIES_MAX} properties.")

    def _count(self, schema: Mapping[str, Any], place: str) -> None:
        values = schema.get("enum", [])
        if not isinstance(values, list) or ("enum" in schema and not values):
            raise InvalidSchema(f"the 'enum' of {place} must be an array with values.")
        self._enum_values += len(values)
        if self._enum_values > ENUM_VALUES_MAX:
            raise InvalidSchema(f"it has more than {ENUM_VALUES_MAX} values in enums.")
        named = [*schema.get("properties", ()), *schema.get("$defs", ()), *schema.get("definitions", ())]
        texts = [*named, *values, schema.get("const")]
        self._characters += sum(len(text) for text in texts if isinstance(text, str))
        if self._characters > NAMES_CHARACTERS_MAX:
            raise InvalidSchema(f"its names and values have more than {NAMES_CHARACTERS_MAX} characters.")

    def _check_reference(self, reference: Any, place: str) -> None:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise InvalidSchema(f"{place} refers to something outside the schema.")
        found: Any = self._root
        for step in reference.removeprefix("#").removeprefix("/").split("/") if len(reference) > 1 else ():
            step = step.replace("~1", "/").replace("~0", "~")
            found = found.get(step) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise InvalidSchema(f"{place} refers to {reference[:64]!r}, which is not in the schema.")


def _inside(schema: Mapping[str, Any], where: str, level: int) -> Iterator[tuple[Any, str, int]]:
    """The schemas right inside one, where they stand, and how deep."""
    for keyword, deeper in (("properties", 1), ("$defs", 0), ("definitions", 0)):
        members = schema.get(keyword, {})
        if not isinstance(members, Mapping):
            raise InvalidSchema(f"the {keyword!r} of {where or 'its root'} must be an object.")
        for name, member in members.items():
            yield member, f"{where}.{name[:64]}".lstrip("."), level + deeper
    if "items" in schema:
        yield schema["items"], f"{where}[]", level + 1
    for keyword, deeper in (("anyOf", 0), ("prefixItems", 1)):
        members = schema.get(keyword, [])
        if not isinstance(members, list):
            raise InvalidSchema(f"the {keyword!r} of {where or 'its root'} must be an array.")
        for member in members:
            yield member, where, level + deeper
