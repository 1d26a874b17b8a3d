"""Turns a provider's refusals into the runtime's errors, without its keys, its addresses, or words that are not ours to
pass on.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import msgspec

import outbound
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
REJECTED = frozenset(
    (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    )
)

_BY_WORD: tuple[tuple[str, int], ...] = (
    ("context_length", HTTPStatus.BAD_REQUEST),
    ("invalid_request", HTTPStatus.BAD_REQUEST),
    ("insufficient_quota", HTTPStatus.PAYMENT_REQUIRED),
    ("authentication", HTTPStatus.UNAUTHORIZED),
    ("rate_limit", HTTPStatus.TOO_MANY_REQUESTS),
    ("overloaded", HTTPStatus.SERVICE_UNAVAILABLE),
    ("timeout", HTTPStatus.GATEWAY_TIMEOUT),
)


@contextmanager
def told() -> Iterator[None]:
    """Turn what outbound raises into ModelFailed."""
    try:
        with outbound.translated():
            yield
    except outbound.ForbiddenAddress as error:
        raise ModelRejected(f"The agent's base_url cannot be used. {error}", code="invalid_url") from None
    except outbound.OutboundTimeout as error:
        kind = ConnectTimeout if error.connecting else ModelTimeout
        raise kind("The model's provider took too long.") from None
    except outbound.RedirectRefused:
        raise ModelUnreachable("The model's provider answers with a redirect; base_url has to be its target.") from None
    except outbound.OutboundError:
        raise ModelUnreachable("The model's provider cannot be reached, or broke off its reply.") from None


def refused(*, status: int, headers: Mapping[str, str], body: bytes, hidden: str) -> ModelFailed:
    """The error for an answer that is no success; `hidden` is the key, never to be repeated."""
    error = _error_in(body)
    if "insufficient_quota" in _word(error):
        status = HTTPStatus.PAYMENT_REQUIRED
    return _failure(status, error, retry_after_s=retry_after(headers), hidden=hidden)


def reported(body: bytes) -> ModelFailed:
    """The error for one that came inside a stream that had begun well."""
    error = _error_in(body)
    code = error.get("code")
    if isinstance(code, int) and code >= HTTPStatus.BAD_REQUEST:
        return _failure(code, error)
    word = _word(error)
    return _failure(next((status for known, status in _BY_WORD if known in word), 500), error)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the provider asks to wait, from `Retry-After` as a number or a date, or `retry-after-ms`."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
            return float(value) * unit
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
        since = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - since).total_seconds())
    except (ValueError, TypeError):
        return None


def _failure(
    status: int, error: Mapping[str, Any], *, retry_after_s: float | None = None, hidden: str = ""
) -> ModelFailed:
    if status in REFUSED:
        return ModelUnauthorized(
            "The model's provider refuses the agent's credential. The agent's owner has to mend it.",
            perhaps_request=status == HTTPStatus.FORBIDDEN,
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ModelRateLimited("The model's provider limits how often it may be asked.", retry_after_s=retry_after_s)
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT):
        return ModelTimeout("The model's provider took too long.", retry_after_s=retry_after_s)
    if status in (HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE, OVERLOADED):
        return ModelOverloaded("The model's provider is overloaded.", retry_after_s=retry_after_s)
    if status in REJECTED:
        parameter, code = error.get("param"), error.get("code")
        return ModelRejected(
            words_about_request(error.get("message"), hidden=hidden),
            parameter=parameter if isinstance(parameter, str) else None,
            code=code if isinstance(code, str) else None,
        )
    return ModelUnreachable("The model's provider failed.", retry_after_s=retry_after_s)


def _error_in(body: bytes) -> Mapping[str, Any]:
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    if isinstance(told, list) and told:
        told = told[0]
    inner = told.get("error", told) if isinstance(told, dict) else told
    if isinstance(inner, str):
        return {"message": inner}
    return inner if isinstance(inner, dict) else {}


def _word(error: Mapping[str, Any]) -> str:
    return " ".join(str(error.get(name) or "") for name in ("code", "type")).strip().lower()
