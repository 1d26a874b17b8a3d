"""What litellm would leave out of a request without a word."""

from collections.abc import Mapping
from typing import Any

import msgspec

from skills.sdk import ModelRejected, ModelRequest

TEXT_ONLY = frozenset(("deepseek", "sambanova"))
"""Providers whose messages it makes texts of, unless it knows that the model sees."""


def broken(litellm: Any, request: ModelRequest, *, provider: str, model: str, ignored: set[str]) -> ModelRequest:
    """The request without what would get lost, its name added to `ignored`. Raises ModelRejected for what it is about.

    Of all fields, `user` is the one that litellm does not refuse when a provider has no place for it.
    """
    of_model = {"model": model, "custom_llm_provider": provider}
    if provider in TEXT_ONLY and _shows_something(request) and not litellm.supports_vision(**of_model):
        raise ModelRejected("Models of this kind read text only.", parameter="messages", code="unsupported_parameter")
    if "user" not in request.parameters or "user" in (litellm.get_supported_openai_params(**of_model) or ()):
        return request
    ignored.add("user")
    kept = {name: value for name, value in request.parameters.items() if name != "user"}
    return msgspec.structs.replace(request, parameters=kept)


def _shows_something(request: ModelRequest) -> bool:
    contents = (message.get("content") for message in request.messages)
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return any(isinstance(part, Mapping) and part.get("type") not in ("text", "refusal", "thinking") for part in parts)
