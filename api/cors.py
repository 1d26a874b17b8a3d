"""Which pages of which sites may read our answers in a browser."""

from collections.abc import Mapping

from django.conf import settings

from api.problems import Headers

_ALLOWED = [
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key, X-Request-ID, X-Conversation-ID"),
    (b"access-control-max-age", b"600"),
]
_EXPOSED = b", ".join(
    [
        b"X-Request-ID, Retry-After, x-should-retry, x-robutler-run-id, x-robutler-cost, x-robutler-ignored-params",
        b"Idempotent-Replayed",
        *(
            b"x-ratelimit-%b-%b" % (figure, kind)
            for figure in (b"limit", b"remaining", b"reset")
            for kind in (b"requests", b"tokens")
        ),
        *(
            b"x-ratelimit-%b-%b" % (figure, period)
            for figure in (b"limit", b"remaining")
            for period in (b"minute", b"hour", b"day")
        ),
    ]
)


def cors_headers(headers: Mapping[bytes, bytes]) -> Headers:
    """The headers that let the origin of this request read the answer; none when the settings do not name it."""
    origin = headers.get(b"origin")
    if origin is None or not _is_allowed(origin.decode("latin-1")):
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _EXPOSED),
        (b"vary", b"Origin"),
    ]


def preflight_headers(headers: Mapping[bytes, bytes]) -> Headers:
    """What else a browser wants to know before it sends the request."""
    return _ALLOWED if _is_allowed(headers.get(b"origin", b"").decode("latin-1")) else []


def _is_allowed(origin: str) -> bool:
    return bool(getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False)) or origin in getattr(
        settings, "CORS_ALLOWED_ORIGINS", ()
    )
