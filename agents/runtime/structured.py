"""Replies in a form that the request asks for: told to models that do not know it, and checked before they go out."""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import UnknownType, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from agents.runtime.threads import work
from skills.sdk.errors import ModelRejected, ReplyUnfit
from skills.sdk.formats import matcher
from skills.sdk.model import NOT_THE_USER, Message

STEPS_MAX = 100_000
"""How much checking a reply may take; a schema of many alternatives could ask for more than there is time."""
CHARACTERS_OF_A_STEP = 100
"""A complaint repeats what it is about: so many of its characters are as much work as looking at one keyword."""
COMPLAINTS_MAX = 3
COMPLAINT_CHARACTERS_MAX = 300

_NO_SCHEMA = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, UnknownType)
"""What the checker stumbles with over what is no schema, such as a length in words; references lead to anything."""

_steps_left: ContextVar[list[int]] = ContextVar("steps_left")


class _TooMuch(Exception):
    """The check takes longer than it may."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """JSON, by a schema or without one. `checked` says that a reply of another form is no reply."""

    schema: Mapping[str, Any] | None
    checked: bool

    @classmethod
    def asked_by(cls, parameters: Mapping[str, Any]) -> "Format | None":
        """What `response_format` asks for; None for plain text."""
        asked = parameters.get("response_format")
        kind = asked.get("type") if isinstance(asked, Mapping) else None
        if kind == "json_object":
            return cls(schema=None, checked=True)
        if kind == "json_schema":
            described = asked["json_schema"] if isinstance(asked, Mapping) else {}
            return cls(schema=described.get("schema"), checked=bool(described.get("strict")))
        return None

    @property
    def instructions(self) -> Message:
        """What a model is told that has no field for it."""
        form = "a JSON object"
        if self.schema is not None:
            form = f"a JSON value that fits this JSON Schema: {msgspec.json.encode(self.schema).decode()}"
        words = f"Answer with nothing but {form}. Use no code fence and add no word before or after it."
        return {"role": "system", "content": words}

    async def fitted(self, text: str, *, organization_id: str) -> str:
        """The JSON that the reply is, without a fence around it. Raises ReplyUnfit."""
        said = _unfenced(text)
        try:
            value = msgspec.json.decode(said)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            raise ReplyUnfit("it is not JSON") from None
        if self.schema is None:
            if not isinstance(value, dict):
                raise ReplyUnfit("it is not a JSON object")
            return said
        complaints = await work(_complaints, {"schema": self.schema, "value": value}, organization_id=organization_id)
        if complaints:
            raise ReplyUnfit("; ".join(complaints))
        return said


def correction(unfit: ReplyUnfit) -> Message:
    """What a model is told whose reply is of another form than it should be."""
    words = f"{NOT_THE_USER}your answer is not in the form that was asked for: {unfit}.] Answer again, with nothing but"
    return {"role": "user", "content": f"{words} the corrected JSON."}


def _unfenced(text: str) -> str:
    said = text.strip()
    if said.startswith("```") and said.endswith("```") and "\n" in said:
        said = said[said.index("\n") : -3].strip()
    return said


def _complaints(schema: Mapping[str, Any], value: Any) -> list[str]:
    """What keeps the value from fitting the schema, in a few words."""
    _steps_left.set([STEPS_MAX])
    checker = _Checker(schema, registry=Registry())
    try:
        return [_in_words(error) for error in islice(checker.iter_errors(value), COMPLAINTS_MAX)]
    except (_TooMuch, RecursionError, Unresolvable):
        raise _rejected("The schema takes too long to check a reply against. Use fewer alternatives.") from None
    except _NO_SCHEMA:
        raise _rejected("A reply cannot be checked against the schema: a keyword has a value it cannot have.") from None


def _rejected(message: str) -> ModelRejected:
    return ModelRejected(message, parameter="response_format", code="invalid_value")


def _in_words(error: ValidationError) -> str:
    return f"at {error.json_path[:COMPLAINT_CHARACTERS_MAX]}, {error.message[:COMPLAINT_CHARACTERS_MAX]}"


def _counted(keyword: Callable[..., Iterator[ValidationError] | None], *args: Any) -> Iterator[ValidationError]:
    """Check a keyword while there is time."""
    _spend(1)
    for complaint in keyword(*args) or ():
        _spend(len(complaint.message) // CHARACTERS_OF_A_STEP)
        yield complaint


def _spend(steps: int) -> None:
    left = _steps_left.get()
    left[0] -= steps
    if left[0] < 0:
        raise _TooMuch


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not matcher(pattern).isinstance_python(value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _unique_items(_: Any, asked: Any, value: Any, __: Any) -> Iterator[ValidationError]:
    """Compares items by their texts: comparing each with each would take the square of their number."""
    if asked is True and isinstance(value, list):
        texts = set()
        for item in value:
            text = msgspec.json.encode(item, order="deterministic")
            _spend(1 + len(text) // CHARACTERS_OF_A_STEP)
            texts.add(text)
        if len(texts) < len(value):
            yield ValidationError(f"{value!r} has non-unique elements")


_KEYWORDS = {**Draft202012Validator.VALIDATORS, "pattern": _pattern, "uniqueItems": _unique_items}
_Checker: Any = extend(  # type: ignore[no-untyped-call]  # its stubs leave it open
    Draft202012Validator, {name: partial(_counted, check) for name, check in _KEYWORDS.items()}
)
