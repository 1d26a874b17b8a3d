"""Which pages of which sites may read our answers in a browser."""

from collections.abc import Mapping

from django.conf import settings

from api.problems import Headers

_ALLOWED = [
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key, X-Request-ID, X-Conversation-ID"),
    (b"access-control-max-age", b"600"),
]
_EXPOSED = b"X-Request-ID, Retry-After, x-robutler-run-id, x-robutler-cost, x-robutler-ignored-params"


def cors_headers(headers: Mapping[bytes, bytes], *, preflight: bool = False) -> Headers:
    """The headers that let the origin of this request read the answer; none when the settings do not name it."""
    origin = headers.get(b"origin")
    if origin is None:
        return []
    allowed = getattr(settings, "CORS_ALLOWED_ORIGINS", ())
    if not (getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False) or origin.decode("latin-1") in allowed):
        return []
    answer = [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
    return answer + (_ALLOWED if preflight else [(b"access-control-expose-headers", _EXPOSED)])
