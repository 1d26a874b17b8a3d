"""The type of every field of OpenAI's in a chat completion request, by name."""

from collections.abc import Mapping
from typing import Any, Literal

from api.openai import messages, parameters, tools

FIELDS: Mapping[str, Any] = {
    **parameters.TYPES,
    "function_call": Literal["none", "auto"] | tools.Named,
    "functions": tools.Functions,
    "max_completion_tokens": parameters.Tokens,
    "max_tokens": parameters.Tokens,
    "messages": messages.Conversation,
    "model": parameters.ModelName,
    "stream": bool,
    "stream_options": parameters.StreamOptions,
    "tool_choice": tools.Mode | tools.Choice,
    "tools": tools.Tools,
}
