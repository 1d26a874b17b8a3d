"""From JSON bytes to typed values, with errors that name the field and say what it should have been."""

import re
from typing import Any, TypeAlias, TypeVar

import msgspec

from api.problems import InvalidRequest, Problem, Refused

Fields: TypeAlias = dict[str, msgspec.Raw]
Value = TypeVar("Value")

MAX_DEPTH = 64
MAX_MEMBERS = 128
"""More than twice what the API knows: beyond that nobody is served by a name for each."""
MAX_STRINGS = 200_000
"""Names and texts in one body; each costs more than its bytes, and no conversation of the largest size has so many."""
MAX_INTEGER = 2**53
MOST_DIGITS = 400
"""No number that a computer calculates with has as many."""

_top_level = msgspec.json.Decoder(Fields)
_SHOWN = 300
_TYPES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_QUOTED_TYPES = re.compile(r"`((?:str|int|float|bool|array|object|null)(?: \| \w+)*)`")
_POINTER = re.compile(r"^(?P<what>.*?)(?: - at (?:key in )?`\$?(?P<path>[^`]*)`)?$", re.DOTALL)
_NAMED = re.compile(r"^Object (?P<kind>missing required|contains unknown) field `(?P<field>.*)`$", re.DOTALL)
_NOT_JSON = re.compile(rb"[+-]?(?:NaN|Infinity)")
_HALF_A_PAIR = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 16
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER = re.compile(rb"-?([0-9]+)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NOT_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))
_NOT_MEMBERS = bytes(set(range(256)) - set(b':"'))
_STRINGS = re.compile(rb'"[^"]*"')
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


def fields_of(body: bytes) -> Fields:
    """The members of the object that `body` is, still as JSON, once all that no honest client sends is refused."""
    if body.count(b'"') - body.count(b'\\"') > 2 * MAX_STRINGS:
        raise Refused(_too_many_strings())
    try:
        str(body, "utf-8")
        fields = _top_level.decode(body)
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not UTF-8. Send JSON encoded as UTF-8.", code="invalid_json") from None
    except RecursionError:
        raise _too_deep() from None
    except msgspec.ValidationError:
        _refuse_depth(body)
        raise InvalidRequest("The body must be a JSON object.", code="invalid_type") from None
    except msgspec.DecodeError as error:
        raise _malformed(body, str(error)) from None
    if len(fields) > MAX_MEMBERS:
        raise InvalidRequest(f"The body has more than {MAX_MEMBERS} members.", code="unknown_parameter")
    _refuse_depth(body)
    _refuse_poison(body, fields)
    _refuse_doubles(body)
    return fields


def decoded(name: str, raw: msgspec.Raw, decoder: msgspec.json.Decoder[Value]) -> Value:
    """The field `name`, typed."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(name, str(error)) from None


def as_json(raw: msgspec.Raw) -> Any:
    """The plain value of an already checked piece of JSON."""
    return msgspec.json.decode(raw)


def _invalid(name: str, text: str) -> InvalidRequest:
    """Say in our words what msgspec found."""
    found = _POINTER.match(text)
    assert found is not None
    what, path = found["what"], name + (found["path"] or "")
    if named := _NAMED.match(what):
        param = f"{path}.{named['field'][:_SHOWN]}"
        if named["kind"] == "missing required":
            return InvalidRequest(f"'{param}' is required.", code="missing_required_parameter", param=param)
        return InvalidRequest(f"'{param}' is not a known parameter.", code="unknown_parameter", param=param)
    code = "invalid_value"
    if ", got " in what:
        code = "invalid_type"
    elif what.startswith("Expected `str` of length <="):
        code = "string_above_max_length"
    what = _QUOTED_TYPES.sub(_in_plain_words, what).replace("Expected ", "expected ")[:_SHOWN]
    return InvalidRequest(f"Invalid value for '{path}': {what}.", code=code, param=path)


def _in_plain_words(types: re.Match[str]) -> str:
    """`float | null` as a person would say it; that null is allowed too goes without saying."""
    names = types[1].split(" | ")
    return " or ".join(_TYPES.get(name, name) for name in names if name != "null" or len(names) == 1)


def _malformed(body: bytes, text: str) -> InvalidRequest:
    place = re.search(r"\(byte (\d+)\)", text)
    if place and (token := _NOT_JSON.search(body, max(0, int(place[1]) - 1), int(place[1]) + 9)):
        param = _field_at(body, token, b'"\\u0000"')
        return InvalidRequest("NaN and Infinity are not numbers of JSON. Send a finite number.", param=param)
    if (token := _HALF_A_PAIR.search(body)) and (param := _field_at(body, token, b"\\u0000")):
        return InvalidRequest(f"'{param}' contains half of a surrogate pair. Send whole characters.", param=param)
    return InvalidRequest(f"The body is not valid JSON: {text}.", code="invalid_json")


def _field_at(body: bytes, token: re.Match[bytes], marker: bytes) -> str | None:
    """The top-level field in which `token` stands, found by putting a marker into its place."""
    try:
        fields = _top_level.decode(body[: token.start()] + marker + body[token.end() :])
    except msgspec.DecodeError:
        return None
    return next((name for name, raw in fields.items() if b"\\u0000" in bytes(raw)), None)


def _refuse_depth(body: bytes) -> None:
    """Peel the brackets, one level at a time, from what is left when everything else is gone."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    brackets = _outside_strings(body, _NOT_BRACKETS).translate(_ONE_KIND)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return
    raise _too_deep()


def _too_many_strings() -> Problem:
    message = f"The body has more than {MAX_STRINGS} names and strings."
    return Problem(status=413, type="invalid_request_error", code="request_too_large", message=message)


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"The body is nested deeper than {MAX_DEPTH} levels.", code="invalid_json")


def _refuse_doubles(body: bytes) -> None:
    """A member given twice is ambiguous, wherever it is: there are more colons than members were decoded."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return  # told with its name when its field is decoded
    if len(_outside_strings(body, _NOT_MEMBERS)) != _members(value):
        raise InvalidRequest("A member of the body, or of an object in it, is given twice.", code="invalid_json")


def _members(value: Any) -> int:
    """How many members all objects in a value have together."""
    count, pending = 0, [value]
    while pending:
        value = pending.pop()
        if type(value) is dict:
            count += len(value)
            pending += [item for item in value.values() if type(item) is dict or type(item) is list]
        elif type(value) is list:
            pending += [item for item in value if type(item) is dict or type(item) is list]
    return count


def _outside_strings(body: bytes, unwanted: bytes) -> bytes:
    """What stands outside strings, without the characters in `unwanted`: all but quotes and what is sought."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return _STRINGS.sub(b"", body.translate(None, unwanted))


def _refuse_poison(body: bytes, fields: Fields) -> None:
    """NUL, which no database stores, and integers that other programs would round."""
    if b"\\u0000" in body:
        for name, raw in fields.items():
            if b"\\u0000" in bytes(raw).replace(b"\\\\", b""):
                raise InvalidRequest(f"'{name}' contains the character NUL, which is not allowed.", param=name)
    if _LONG_NUMBER in body.translate(_DIGITS_ALIKE):
        for name, raw in fields.items():
            if any(_is_huge(number) for number in _NUMBER.finditer(_STRING.sub(b'""', bytes(raw)))):
                raise InvalidRequest(f"'{name}' contains an integer beyond 2^53.", param=name)


def _is_huge(number: re.Match[bytes]) -> bool:
    if number[2] or number[3]:
        return False
    if len(number[1]) > MOST_DIGITS:
        raise InvalidRequest(f"The body holds a number of more than {MOST_DIGITS} digits.", code="invalid_json")
    return len(number[1]) > 16 or int(number[1]) > MAX_INTEGER
