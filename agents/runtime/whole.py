"""Text of which every character can be sent on and stored."""

from collections.abc import Mapping
from typing import Any

import msgspec

REPLACEMENT = "\ufffd"


def whole_text(text: str) -> str:
    """The text with halves of surrogate pairs joined where they meet; those left over, and NUL, are replaced."""
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def whole(value: Any) -> Any:
    """A JSON value, all of whose texts are whole."""
    try:
        if b"\\u0000" not in msgspec.json.encode(value):
            return value
    except UnicodeEncodeError:
        pass
    return _mended(value)


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, Mapping):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value
