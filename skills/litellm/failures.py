"""Turns litellm's many exceptions into the runtime's few."""

import ast
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import msgspec

from skills.sdk import (
    ModelFailed,
    ModelOverloaded,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnauthorized,
    ModelUnreachable,
)
from skills.sdk.providers import words_about_request
from skills.sdk.retries import ConnectTimeout

OVERLOADED = 529
REFUSED = frozenset((HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN))
CAUSES_MAX = 10
_STUMBLES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What code raises that expected another reply than it got."""
logger = logging.getLogger(__name__)
_PREFIXES = re.compile(r"^(?:litellm\.)?(?:\w*(?:Error|Exception|Timeout)\b[\s:.-]*|litellm\.|- )+")
_CODES = {
    "ContextWindowExceededError": "context_length_exceeded",
    "ContentPolicyViolationError": "content_policy_violation",
    "UnsupportedParamsError": "unsupported_parameter",
}


@contextmanager
def told(*, provider: str, hidden: str) -> Iterator[None]:
    """Turn what litellm and its clients raise into ModelFailed; `hidden` is the key, never to be repeated."""
    import aiohttp
    import httpx
    import openai

    try:
        yield
    except TimeoutError:
        raise ModelTimeout("The model's provider took too long.") from None
    except openai.OpenAIError as error:
        raise failure_of(error, provider=provider, hidden=hidden) from None
    except (httpx.HTTPError, aiohttp.ClientError):
        raise ModelUnreachable("The model's provider cannot be reached, or broke off its reply.") from None
    except _STUMBLES as error:
        logger.warning("litellm's module for %s stumbled over a reply: %s.", provider, type(error).__name__)
        raise ModelUnreachable("The model's provider sent a reply that is not readable.") from None


def failure_of(error: Any, *, provider: str, hidden: str) -> ModelFailed:
    """The runtime's error for one of litellm's."""
    error = getattr(error, "original_exception", None) or error
    name, status = type(error).__name__, getattr(error, "status_code", None)
    if status in REFUSED:
        return ModelUnauthorized(
            f"The provider {provider} refuses the agent's credential. The agent's owner has to mend it.",
            perhaps_request=status == HTTPStatus.FORBIDDEN,
        )
    if name in ("Timeout", "APITimeoutError"):
        kind = ConnectTimeout if _was_connecting(error) else ModelTimeout
        return kind("The model's provider took too long.")
    if name == "RateLimitError" or status == HTTPStatus.TOO_MANY_REQUESTS:
        return ModelRateLimited("The model's provider limits how often it may be asked.", retry_after_s=_wait(error))
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, OVERLOADED):
        return ModelOverloaded("The model's provider is overloaded.", retry_after_s=_wait(error))
    if isinstance(status, int) and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _rejected(error, name, hidden)
    return ModelUnreachable("The model's provider failed, or broke off its reply.")


def _was_connecting(error: BaseException) -> bool:
    """Whether the provider had not been reached yet: the cause says so."""
    import httpx

    cause: BaseException | None = error
    for _ in range(CAUSES_MAX):
        if cause is None or isinstance(cause, httpx.ConnectTimeout):
            return cause is not None
        cause = cause.__cause__ or cause.__context__
    return False


def _rejected(error: Any, name: str, hidden: str) -> ModelRejected:
    message = _PREFIXES.sub("", str(getattr(error, "message", "") or error))
    told = _body_in(message)
    code, parameter = _CODES.get(name) or told.get("code"), told.get("param")
    if name == "UnsupportedParamsError":
        parameter = _first_named(message)
        message = f"The model does not take {parameter!r}."
    return ModelRejected(
        words_about_request(told.get("message") or message, hidden=hidden),
        parameter=parameter if isinstance(parameter, str) else None,
        code=code if isinstance(code, str) else None,
    )


def _body_in(message: str) -> dict[str, Any]:
    """Some exceptions carry the provider's answer as it came."""
    start = message.find("{")
    try:
        told = msgspec.json.decode(message[start : message.rfind("}") + 1]) if start >= 0 else {}
    except msgspec.DecodeError:
        return {}
    inner = told.get("error", told) if isinstance(told, dict) else {}
    return inner if isinstance(inner, dict) else {"message": inner}


def _first_named(message: str) -> str | None:
    """The first name in litellm's words: a list of them for chat, names with values for embeddings."""
    listed = re.search(r"\[[^\]]*\]|\{[^}]*\}", message)
    try:
        names = ast.literal_eval(listed.group()) if listed else []
    except (ValueError, SyntaxError):
        return None
    return str(next(iter(names))) if names else None


def _wait(error: Any) -> float | None:
    headers = getattr(error, "litellm_response_headers", None) or getattr(
        getattr(error, "response", None), "headers", {}
    )
    value = str((headers or {}).get("retry-after", ""))
    return float(value) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value) else None
