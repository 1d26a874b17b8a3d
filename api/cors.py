"""Which pages of which sites may call the API from a browser. Credentials are a key in a header, never a cookie."""

import re
from collections.abc import Mapping

from django.conf import settings

from api.problems import Headers

ANYWHERE = "*"
PAGES = ("/console", "/admin", "/accounts", "/static", "/media", "/metrics")
"""What is signed in to by a cookie, or nobody else's: no other site's page may read it."""

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_HEADERS = (
    "authorization", "content-type", "idempotency-key", "openai-beta", "openai-organization", "openai-project",
    "traceparent", "x-conversation-id", "x-max-cost-usd", "x-payment-token", "x-request-id", "x-robutler-events",
)  # fmt: skip
_SDK_HEADER = re.compile(r"x-stainless-[a-z-]{1,40}")
"""What the official SDK says of itself, in headers of which there are more with every release."""
_REQUESTED_AT_MOST = 2_000
_EXPOSED = b", ".join(
    [
        b"X-Request-ID, Retry-After, Allow, openai-processing-ms, openai-version",
        b"x-should-retry, x-robutler-run-id, x-robutler-cost, x-robutler-settlement, x-robutler-ignored-params",
        b"x-robutler-max-tokens, Idempotent-Replayed",
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


def is_api(path: str) -> bool:
    """Whether this is an address of the API's, rather than a page."""
    return not path.startswith(PAGES)


def cors_headers(path: str, headers: Mapping[bytes, bytes]) -> Headers:
    """The headers that let the origin of this request read the answer; none where it may not."""
    origins = settings.ROBUTLER.cors_origins
    if not origins or not is_api(path):
        return []
    if ANYWHERE in origins:
        return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _EXPOSED)]
    vary = (b"vary", b"Origin")
    origin = headers.get(b"origin", b"")
    if origin.decode("latin-1") not in origins:
        return [vary]
    return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED), vary]


def preflight_headers(path: str, headers: Mapping[bytes, bytes]) -> Headers:
    """What else a browser wants to know before it sends the request."""
    if not any(name == b"access-control-allow-origin" for name, _ in cors_headers(path, headers)):
        return []
    asked = headers.get(b"access-control-request-headers", b"")[:_REQUESTED_AT_MOST].decode("latin-1").lower()
    of_sdk = [name for part in asked.split(",") if _SDK_HEADER.fullmatch(name := part.strip())]
    return [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", ", ".join((*_HEADERS, *of_sdk)).encode()),
        (b"access-control-max-age", b"600"),
    ]
