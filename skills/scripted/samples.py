"""Plausible JSON for a JSON schema, drawn from what a user said."""

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeVar

Schema = Mapping[str, Any]

DEPTH_LIMIT = 20
STEPS_MAX = 50_000
"""How much looking and making a sample may take: a small schema can describe more than all memory holds."""
CHARACTERS_OF_A_STEP = 100
LENGTH_MAX = 10_000
WORDS_READ = 2_000

_T = TypeVar("_T")

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
    """A value that fits the schema: required properties only, enums and constants as they are, else from the words.

    The schema is a stranger's. What is no schema in it counts as absent, and what has no end is cut off with nulls.
    """
    return _Sampler(schema, words[:WORDS_READ]).value(schema, "", DEPTH_LIMIT)


class _Sampler:
    def __init__(self, root: Schema, words: str) -> None:
        self._root = root
        self._words = words
        quoted = _QUOTED.search(words)
        self._text = quoted[1] if quoted else words
        place = _PLACE.search(words) or _PROPER.search(words)
        self._place_named = place[place.re.groups] if place else None
        self._steps_left = STEPS_MAX

    def value(self, schema: Any, name: str, depth: int) -> Any:
        self._steps_left -= 1
        if depth == 0 or self._steps_left < 0:
            return None
        schema = self._resolved(schema)
        if "const" in schema:
            return self._repeated(schema["const"])
        if options := _read(schema, "enum", list):
            return self._repeated(self._chosen(options))
        for keyword in ("anyOf", "oneOf", "allOf"):
            if parts := _read(schema, keyword, list):
                return self.value(self._likeliest(parts), name, depth - 1)
        return self._typed(schema, name, depth)

    def _typed(self, schema: Schema, name: str, depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                count = max(1, _read(schema, "minItems", int) or 1)
                return [self.value(schema.get("items"), name, depth - 1) for _ in range(min(count, 100))]
            case "integer" | "number":
                return self._number(schema, whole=kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
        return self._string(schema, name)

    def _resolved(self, schema: Any) -> Schema:
        for _ in range(DEPTH_LIMIT):
            reference = _read(schema, "$ref", str) or ""
            if not reference.startswith("#/"):
                break
            schema = self._root
            for step in reference[2:].split("/"):
                schema = schema.get(step) if isinstance(schema, Mapping) else None
        return schema if isinstance(schema, Mapping) else {}

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = _read(schema, "properties", dict) or {}
        self._steps_left -= len(properties)
        required = {name for name in _read(schema, "required", list) or () if isinstance(name, str)}
        wanted = [name for name in properties if name in required or self._place(name) is not None]
        return {name: self.value(properties[name], name, depth - 1) for name in wanted}

    def _repeated(self, said: Any) -> Any:
        self._steps_left -= len(json.dumps(said)) // CHARACTERS_OF_A_STEP
        return said

    def _likeliest(self, parts: list[Any]) -> Any:
        self._steps_left -= len(parts)
        return next((part for part in parts if _read(part, "type", str) != "null"), parts[0])

    def _chosen(self, options: list[Any]) -> Any:
        self._steps_left -= len(options)
        said = self._words.casefold()
        return next((each for each in options if isinstance(each, str) and each.casefold() in said), options[0])

    def _number(self, schema: Schema, *, whole: bool) -> int | float:
        found = _NUMBER.search(self._words)
        number = float(found[0]) if found else 1.0
        number = number if isfinite(number) else 1.0
        above = _read(schema, "exclusiveMinimum", int, float)
        low = above + 1 if above is not None else _read(schema, "minimum", int, float)
        high = _read(schema, "maximum", int, float)
        if low is not None:
            number = max(number, low)
        if high is not None:
            number = min(number, high)
        return int(number) if whole else number

    def _string(self, schema: Schema, name: str) -> str:
        if (known := _FORMATS.get(_read(schema, "format", str) or "")) is not None:
            return known
        text = self._place(name) or self._text or "text"
        most, least = _read(schema, "maxLength", int), _read(schema, "minLength", int)
        text = text[: 1000 if most is None else max(0, most)].ljust(min(least or 0, LENGTH_MAX), ".")
        self._steps_left -= len(text) // CHARACTERS_OF_A_STEP
        return text

    def _place(self, name: str) -> str | None:
        """The place that the user named, for a property that is about places."""
        return self._place_named if _PLACE_WORDS.search(name.casefold()) else None


def _read(schema: Any, keyword: str, *kinds: type[_T]) -> _T | None:
    """What the schema says for a keyword, if it is of a kind that can be meant."""
    said = schema.get(keyword) if isinstance(schema, Mapping) else None
    return said if isinstance(said, kinds) else None
