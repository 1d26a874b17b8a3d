"""Builds the body of a request from an allow-list: nothing that a client sent gets in by any other way."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from skills.openai.messages import sendable
from skills.sdk import ModelRejected, ModelRequest
from skills.sdk.parameters import OPENAI, VENDORS

LimitField = Literal["max_tokens", "max_completion_tokens"]


def body_of(request: ModelRequest, *, model: str, limit_field: LimitField, openai_itself: bool) -> bytes:
    """The request as JSON. Raises ModelRejected for a field that no server could be sent."""
    body: dict[str, Any] = {"model": model, "messages": sendable(request.messages)}
    _check(request.parameters)
    body |= {
        name: value
        for name, value in request.parameters.items()
        if name in OPENAI or (value is not None and not openai_itself)
    }
    if request.tools:
        body["tools"] = request.tools
    if request.max_output_tokens is not None:
        body[limit_field] = request.max_output_tokens
    body["stream"] = True
    body["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(body)


def choices_of(request: ModelRequest) -> int:
    """How many replies were asked for."""
    count = request.parameters.get("n")
    return count if isinstance(count, int) and count > 0 else 1


def _check(parameters: Mapping[str, Any]) -> None:
    for name in parameters:
        if name not in OPENAI and name not in VENDORS:
            raise ModelRejected(f"Models of this kind take no {name!r}.", parameter=name, code="unsupported_parameter")
