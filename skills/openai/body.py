"""Builds the body of a request from an allow-list: nothing that a client sent gets in by any other way."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from skills.openai.messages import sendable
from skills.sdk import ModelRejected, ModelRequest

PARAMETERS = frozenset(
    (
        "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "metadata", "modalities",
        "n", "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "reasoning_effort",
        "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "temperature", "tool_choice",
        "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
    )
)  # fmt: skip
"""The fields of OpenAI's own API that a request may set; the rest is ours to set."""
VENDORS_PARAMETERS = frozenset(
    (
        "chat_template_kwargs", "guided_choice", "guided_grammar", "guided_json", "guided_regex", "include_reasoning",
        "min_p", "min_tokens", "provider", "reasoning", "repetition_penalty", "skip_special_tokens", "thinking",
        "top_a", "top_k", "transforms",
    )
)  # fmt: skip
"""Fields that clients in the wild send and other servers know; they go to a `base_url`, and never to OpenAI itself."""
LimitField = Literal["max_tokens", "max_completion_tokens"]


def body_of(request: ModelRequest, *, model: str, limit_field: LimitField, openai_itself: bool) -> bytes:
    """The request as JSON. Raises ModelRejected for a field that no server could be sent."""
    body: dict[str, Any] = {"model": model, "messages": sendable(request.messages)}
    body |= _allowed(request.parameters, openai_itself=openai_itself)
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


def _allowed(parameters: Mapping[str, Any], *, openai_itself: bool) -> dict[str, Any]:
    for name in parameters:
        if name not in PARAMETERS and name not in VENDORS_PARAMETERS:
            raise ModelRejected(f"Models of this kind take no {name!r}.", parameter=name, code="unsupported_parameter")
    return {
        name: value
        for name, value in parameters.items()
        if name in PARAMETERS or (not openai_itself and value is not None)
    }
