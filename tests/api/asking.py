"""Short ways to ask, as far as a request is only read."""

import json
from typing import Any

import pytest

from api.openai import schemas
from api.problems import InvalidRequest

HELLO = [{"role": "user", "content": "hello"}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def decode(**fields: Any) -> schemas.Completion:
    return schemas.decode(json.dumps({"messages": HELLO, **fields}).encode())


def problem(body: bytes) -> tuple[str, str | None]:
    with pytest.raises(InvalidRequest) as caught:
        schemas.decode(body)
    assert caught.value.message
    return caught.value.code, caught.value.param


def refused(**fields: Any) -> tuple[str, str | None]:
    return problem(json.dumps({"messages": HELLO, **fields}).encode())
