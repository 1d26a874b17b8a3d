"""What callers are told about limits: how much is left of them, and which one they met."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Literal

from api import metrics
from api.problems import Headers, Problem, Refused
from api.windows import Meter, Window
from tenants import limits

PATIENCE_S = 60
"""Who has to wait for longer is told not to try again without thinking."""

_HOLDERS = {
    limits.KEY: "this API key",
    limits.ORGANIZATION: "your organization",
    limits.AGENT: "this agent",
    limits.END_USER: "this end user",
}
_PERIODS = (
    ("requests_per_minute", b"minute"),
    ("requests_per_hour", b"hour"),
    ("requests_per_day", b"day"),
)


def exceeded(window: Window, *, now: float) -> Refused:
    """The refusal of what no longer fits into a window."""
    wait_s = max(1, math.ceil(window.ends_at - now))
    allowed = f"{window.limit} {window.name.replace('_', ' ')}"
    return _refused(
        code="rate_limit_exceeded",
        message=f"Rate limit reached: {_HOLDERS[window.scope]} may have {allowed}. Try again in {wait_s} s.",
        limit=window.name,
        scope=window.scope,
        allowed=window.limit,
        retry_after_s=wait_s,
    )


def too_many(scope: str, most: int, *, of: Literal["requests", "sockets"] = "requests") -> Refused:
    """The refusal of one more request, or socket, at once."""
    wait = "Wait for one" if of == "requests" else "Close one"
    return _refused(
        code=f"too_many_concurrent_{of}",
        message=f"Too many {of} at once: {_HOLDERS[scope]} may have {most}. {wait}.",
        limit="max_parallel" if of == "requests" else "sockets",
        scope=scope,
        allowed=most,
        retry_after_s=1,
    )


def _refused(*, code: str, message: str, limit: str, scope: str, allowed: int, retry_after_s: int) -> Refused:
    metrics.limit_exceeded(limit).inc()
    return Refused(
        Problem(
            status=429,
            type="rate_limit_error",
            code=code,
            message=message,
            metadata={"limit": limit, "scope": scope, "allowed": allowed},
            retry_after_s=retry_after_s,
            should_retry=None if retry_after_s <= PATIENCE_S else False,
        )
    )


def limit_headers(meters: Sequence[Meter], *, now: float) -> Headers:
    """What is left, in OpenAI's words and by period; of several meters, always of the one that has least."""
    tightest = {
        window.name: window
        for window in sorted(chain.from_iterable(meters), key=lambda window: window.left(now), reverse=True)
    }
    headers: Headers = []
    for name, kind in (("requests_per_minute", b"requests"), ("tokens_per_minute", b"tokens")):
        if (window := tightest.get(name)) is not None:
            headers += [
                (b"x-ratelimit-limit-" + kind, b"%d" % window.limit),
                (b"x-ratelimit-remaining-" + kind, b"%d" % window.left(now)),
                (b"x-ratelimit-reset-" + kind, _duration(window.resets_in(now))),
            ]
    for name, period in _PERIODS:
        if (window := tightest.get(name)) is not None:
            headers += [
                (b"x-ratelimit-limit-" + period, b"%d" % window.limit),
                (b"x-ratelimit-remaining-" + period, b"%d" % window.left(now)),
            ]
    return headers


def _duration(seconds: float) -> bytes:
    """Whole seconds as OpenAI writes them: 1s, 6m0s, 2h0m5s."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, rest)
    return b"%dm%ds" % (minutes, rest) if minutes else b"%ds" % rest
