"""When to try a provider again, and after how long."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol, TypeVar

import msgspec

from skills.sdk.circuits import Route, circuit_of
from skills.sdk.context import current_run
from skills.sdk.errors import ModelFailed, ModelOverloaded, ModelRateLimited, ModelTimeout, ModelUnreachable

Piece = TypeVar("Piece")

RETRY_AFTER_SECONDS_MAX = 8.0
"""A provider that asks for more is not waited for: the caller hears how long it would be."""
FIRST_PAUSE_SECONDS = 0.25
PAUSE_SECONDS_MAX = 4.0


class ConnectTimeout(ModelTimeout):
    """The provider was not reached in time, and so has not begun to work."""


class Routed(Protocol):
    """A call that is ready to be sent."""

    @property
    def route(self) -> Route: ...


Call = TypeVar("Call", bound=Routed)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often to try again: at most so often in all, and after failures of one kind, if that is limited as well."""

    most: int = 2
    rate_limited: int | None = None
    overloaded: int | None = None
    unreachable: int | None = None
    connect_timeout: int | None = None

    def allows(self, failure: ModelFailed, failures: Counter[str]) -> bool:
        """Whether to try again after this failure; `failures` counts all by their kind, this one included."""
        kind = _kind_of(failure)
        if kind is None:
            return False
        limit: int | None = getattr(self, kind)
        return failures.total() <= self.most and (limit is None or failures[kind] <= limit)


async def retried(
    prepare: Callable[[], Awaitable[Call]], attempt: Callable[[Call], AsyncGenerator[Piece]], *, policy: RetryPolicy
) -> AsyncGenerator[Piece]:
    """Prepare a call once and yield its reply as it comes, trying again only while nothing has come.

    A provider that keeps failing is left alone: then nothing is sent, and ModelResting raised at once.
    """
    call = await prepare()
    circuit = circuit_of(call.route)
    failures: Counter[str] = Counter()
    while True:
        is_probe = circuit.enter()
        begun = False
        try:
            async with aclosing(attempt(call)) as chunks:
                async for chunk in chunks:
                    if not begun:
                        begun = True
                        circuit.answered()
                    yield chunk
        except ModelFailed as failure:
            circuit.failed(failure)
            failures[_kind_of(failure) or ""] += 1
            pause = pause_before_retry(failure, tried=failures.total() - 1)
            if begun or pause is None or not policy.allows(failure, failures) or not circuit.may_retry():
                raise
            _count_retry()
        except BaseException:
            if is_probe:
                circuit.left()
            raise
        else:
            circuit.succeeded()
            return
        await asyncio.sleep(pause)


def _count_retry() -> None:
    """Let the run know, whose books have a line for every attempt."""
    if (run := current_run.get(None)) is not None:
        run.waited.retries += 1


def pause_before_retry(failure: ModelFailed, *, tried: int) -> float | None:
    """Seconds to wait before the next try, after `tried` of them; None when it would be of no use."""
    if _kind_of(failure) is None:
        return None
    if failure.retry_after_s is not None:
        return failure.retry_after_s if failure.retry_after_s <= RETRY_AFTER_SECONDS_MAX else None
    longest = min(PAUSE_SECONDS_MAX, FIRST_PAUSE_SECONDS * 2**tried)
    return random.uniform(longest / 2, longest)  # noqa: S311  # spreads clients, hides nothing


def _kind_of(failure: ModelFailed) -> str | None:
    """The failure as a policy knows it; None for one after which nothing is tried again.

    A provider that was reached but did not answer in time may be at work, and charge for it.
    """
    match failure:
        case ModelRateLimited():
            return "rate_limited"
        case ModelOverloaded():
            return "overloaded"
        case ModelUnreachable():
            return "unreachable"
        case ConnectTimeout():
            return "connect_timeout"
    return None
