"""Builds the arguments of litellm's one function from an allow-list, and keeps addresses out of messages."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import outbound
from skills.sdk import Credential, Message, ModelRejected, ModelRequest, ModelUnauthorized

PARAMETERS = frozenset(
    (
        "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "modalities", "n",
        "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "reasoning_effort",
        "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "temperature", "thinking",
        "tool_choice", "top_k", "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
    )
)  # fmt: skip
"""What a request may set; litellm says which of it a model does not take."""
IGNORED = frozenset(
    (
        "chat_template_kwargs", "guided_choice", "guided_grammar", "guided_json", "guided_regex", "include_reasoning",
        "metadata", "min_p", "min_tokens", "provider", "reasoning", "repetition_penalty", "skip_special_tokens",
        "top_a", "transforms",
    )
)  # fmt: skip
"""What clients send to everyone, and what litellm would take for orders to itself."""
OWN_KEY_PROVIDERS = frozenset(
    (
        "ai21", "anthropic", "cerebras", "cohere", "cohere_chat", "dashscope", "deepinfra", "deepseek", "fireworks_ai",
        "gemini", "groq", "hyperbolic", "mistral", "moonshot", "nebius", "novita", "nvidia_nim", "openai", "openrouter",
        "perplexity", "sambanova", "together_ai", "xai", "zai",
    )
)  # fmt: skip
"""Providers at fixed public addresses. Others may be at an inside one, and need the platform's own credential."""
IMAGE_BYTES_MAX = 10_000_000
IMAGES_MAX = 20
_KEY_REFERENCES = ("os.environ/", "oidc/")


def check_credential(credential: Credential, *, provider: str) -> None:
    """Raise ModelUnauthorized for a credential with which litellm must not be called."""
    if credential.secret.reveal().startswith(_KEY_REFERENCES):
        raise ModelUnauthorized(f"The credential for {provider} is a reference, not a key.")
    if credential.platform:
        return
    if credential.base_url:
        raise ModelUnauthorized(
            f"The credential for {provider} has an address of its own. "
            "Servers of one's own are reached with the openai skill."
        )
    if provider not in OWN_KEY_PROVIDERS:
        raise ModelUnauthorized(f"Models of {provider} are reached with the platform's credential only.")


def arguments_of(
    request: ModelRequest,
    *,
    provider: str,
    model: str,
    credential: Credential,
    messages: Sequence[Message],
    timeout: object,
) -> dict[str, Any]:
    """The keyword arguments. Raises ModelRejected for a parameter that no model takes."""
    for name in request.parameters:
        if name not in PARAMETERS and name not in IGNORED:
            raise ModelRejected(f"Models of this kind take no {name!r}.", parameter=name, code="unsupported_parameter")
    if request.parameters.get("n") not in (None, 1):
        raise ModelRejected(
            "Models of this kind give one reply at a time.", parameter="n", code="unsupported_parameter"
        )
    arguments = {name: value for name, value in request.parameters.items() if name in PARAMETERS and value is not None}
    if request.tools:
        arguments["tools"] = [dict(tool) for tool in request.tools]
    if request.max_output_tokens is not None:
        field = "max_completion_tokens" if provider == "openai" else "max_tokens"
        arguments[field] = request.max_output_tokens
    return arguments | {
        "model": model,
        "custom_llm_provider": provider,
        "messages": list(messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        "api_key": credential.secret.reveal(),
        "base_url": credential.base_url if credential.platform else None,
        "timeout": timeout,
        "num_retries": 0,
        "max_retries": 0,
    }


async def without_addresses(messages: Sequence[Message]) -> list[Message]:
    """The messages with images in them instead of addresses: some providers' code would fetch those from here.

    Raises ModelRejected for what cannot be fetched.
    """
    left = IMAGES_MAX
    safe: list[Message] = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            left -= sum(_is_address(_image_url(part)) for part in content)
            if left < 0:
                raise ModelRejected(f"At most {IMAGES_MAX} images can be given by address.", parameter="messages")
            message = message | {"content": [await _without_address(part) for part in content]}
        safe.append(message)
    return safe


async def _without_address(part: Any) -> Any:
    if not isinstance(part, Mapping):
        return part
    url = _image_url(part)
    if _is_address(url):
        image = part["image_url"] if isinstance(part["image_url"], Mapping) else {}
        return {**part, "image_url": {**image, "url": await _fetched(url)}}
    if (
        part.get("type") not in ("text", "refusal", "image_url", "input_audio", "thinking")
        and "://" in str(part)[:4_096]
    ):
        raise ModelRejected("Files have to be sent in the message, not as an address.", parameter="messages")
    return part


async def _fetched(url: str) -> str:
    try:
        answer = await outbound.fetch(url, max_bytes=IMAGE_BYTES_MAX, max_redirects=2)
    except outbound.OutboundError as error:
        raise ModelRejected(f"An image could not be fetched. {error}", parameter="messages") from None
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status != 200 or not kind.startswith("image/"):
        raise ModelRejected("An image could not be fetched: its address holds no image.", parameter="messages")
    return f"data:{kind};base64,{base64.b64encode(answer.body).decode()}"


def _image_url(part: Any) -> str:
    image = part.get("image_url") if isinstance(part, Mapping) else None
    url = image.get("url") if isinstance(image, Mapping) else image
    return url if isinstance(url, str) else ""


def _is_address(url: str) -> bool:
    return bool(url) and not url.startswith("data:")
