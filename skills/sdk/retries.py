"""When to try a provider again, and after how long."""

import random

from skills.sdk.errors import ModelFailed, ModelTimeout

RETRY_AFTER_SECONDS_MAX = 8.0
"""A provider that asks for more is not waited for: the caller hears how long it would be."""
FIRST_PAUSE_SECONDS = 0.25
PAUSE_SECONDS_MAX = 4.0


class ConnectTimeout(ModelTimeout):
    """The provider was not reached in time, and so has not begun to work."""


def pause_before_retry(failure: ModelFailed, *, tried: int) -> float | None:
    """Seconds to wait before the next try, after `tried` of them; None when it would be of no use."""
    if not failure.retryable:
        return None
    if isinstance(failure, ModelTimeout) and not isinstance(failure, ConnectTimeout):
        return None  # it may be at work, and charge for it
    if failure.retry_after_s is not None:
        return failure.retry_after_s if failure.retry_after_s <= RETRY_AFTER_SECONDS_MAX else None
    longest = min(PAUSE_SECONDS_MAX, FIRST_PAUSE_SECONDS * 2**tried)
    return random.uniform(longest / 2, longest)  # noqa: S311  # spreads clients, hides nothing
