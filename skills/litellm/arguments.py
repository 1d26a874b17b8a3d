"""Builds the arguments of litellm's one function from an allow-list, and keeps addresses out of messages."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import outbound
from skills.sdk import Credential, Message, ModelRejected, ModelRequest, ModelUnauthorized
from skills.sdk.parameters import OPENAI, VENDORS

BESIDE = frozenset(("metadata", "moderation", "prompt_cache_options"))
"""Fields of OpenAI's that litellm does not know, or takes for orders to itself: they go to OpenAI beside the rest."""
_TAKEN: Mapping[str, frozenset[str]] = {
    "anthropic": frozenset(("cache_control", "thinking", "top_k")),
    "deepseek": frozenset(("thinking",)),
    "fireworks_ai": frozenset(("min_p", "repetition_penalty", "top_k")),
    "gemini": frozenset(("thinking", "top_k")),
    "hosted_vllm": frozenset(("min_p", "repetition_penalty", "top_k")),
    "openrouter": frozenset(("cache_control", "min_p", "repetition_penalty", "top_a", "top_k")),
    "together_ai": frozenset(("min_p", "repetition_penalty", "top_k")),
}
"""What models of a provider take besides OpenAI's fields."""
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
    arguments = _parameters(request.parameters, provider=provider)
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
        "extra_headers": {"traceparent": parent} if (parent := outbound.traceparent()) else None,
        "num_retries": 0,
        "max_retries": 0,
    }


def takes(name: str, *, provider: str) -> bool:
    """Whether models of the provider take a field that OpenAI does not have."""
    return name in _TAKEN.get(provider, ())


def _parameters(given: Mapping[str, Any], *, provider: str) -> dict[str, Any]:
    """Those on a list, by which nothing but the reply is steered."""
    for name in given:
        is_known = name in VENDORS or (name in OPENAI and (name not in BESIDE or provider == "openai"))
        if not is_known:
            raise ModelRejected(f"Models of this kind take no {name!r}.", parameter=name, code="unsupported_parameter")
    if given.get("n") not in (None, 1):
        raise ModelRejected(
            "Models of this kind give one reply at a time.", parameter="n", code="unsupported_parameter"
        )
    sent = {
        name: value
        for name, value in given.items()
        if value is not None and (name in OPENAI or takes(name, provider=provider))
    }
    beside = {name: sent.pop(name) for name in BESIDE & sent.keys()}
    return {**sent, "extra_body": beside} if beside else sent


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
