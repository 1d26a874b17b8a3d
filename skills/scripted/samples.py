"""Plausible JSON for a JSON schema, drawn from what a user said."""

import re
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

DEPTH_LIMIT = 20

_PLACE_WORDS = re.compile(r"city|location|place|country|destination|where|town")
_PLACE = re.compile(r"\b(?:in|at|for|to|from|of)\s+((?:[A-Z][\w'-]+)(?:[ ,]+[A-Z][\w'-]+)*)")
_PROPER = re.compile(r"(?<=[\s(\"'])[A-Z][\w'-]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_QUOTED = re.compile(r"[\"“']([^\"”']+)[\"”']")
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T12:00:00Z",
    "time": "12:00:00",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample(schema: Schema, words: str) -> Any:
    """A value that fits the schema: required properties only, enums and constants as they are, else from the words."""
    return _Sampler(schema, words).value(schema, "", DEPTH_LIMIT)


class _Sampler:
    def __init__(self, root: Schema, words: str) -> None:
        self._root = root
        self._words = words

    def value(self, schema: Schema, name: str, depth: int) -> Any:
        schema = self._resolved(schema)
        if depth == 0:
            return None
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._chosen(schema["enum"])
        for keyword in ("anyOf", "oneOf", "allOf"):
            if parts := schema.get(keyword):
                return self.value(next((part for part in parts if part.get("type") != "null"), parts[0]), name, depth)
        return self._typed(schema, name, depth)

    def _typed(self, schema: Schema, name: str, depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                count = max(1, int(schema.get("minItems", 1)))
                return [self.value(schema.get("items", {}), name, depth - 1) for _ in range(min(count, 100))]
            case "integer" | "number":
                return self._number(schema, whole=kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
        return self._string(schema, name)

    def _resolved(self, schema: Schema) -> Schema:
        for _ in range(DEPTH_LIMIT):
            reference = schema.get("$ref", "")
            if not reference.startswith("#/"):
                break
            found: Any = self._root
            for step in reference[2:].split("/"):
                found = found.get(step, {})
            schema = found
        return schema

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        required = schema.get("required", ())
        wanted = [name for name in properties if name in required or self._place(name) is not None]
        return {name: self.value(properties[name], name, depth - 1) for name in wanted}

    def _chosen(self, options: list[Any]) -> Any:
        said = self._words.casefold()
        return next((each for each in options if isinstance(each, str) and each.casefold() in said), options[0])

    def _number(self, schema: Schema, *, whole: bool) -> int | float:
        found = _NUMBER.search(self._words)
        number = float(found[0]) if found else 1.0
        low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
        if low is not None:
            number = max(number, low + (1 if "exclusiveMinimum" in schema else 0))
        if high is not None:
            number = min(number, high)
        return int(number) if whole else number

    def _string(self, schema: Schema, name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        quoted = _QUOTED.search(self._words)
        text = self._place(name) or (quoted[1] if quoted else self._words) or "text"
        return text[: schema.get("maxLength", 1000)].ljust(schema.get("minLength", 0), ".")

    def _place(self, name: str) -> str | None:
        """The place that the user named, for a property that is about places."""
        if not _PLACE_WORDS.search(name.casefold()):
            return None
        if found := _PLACE.search(self._words):
            return found[1]
        proper = _PROPER.search(self._words)
        return proper[0] if proper else None
