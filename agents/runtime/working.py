"""Tells the time in which a run works from the time in which whoever reads its events does."""

import asyncio
from contextvars import Token
from types import TracebackType
from typing import Self

from skills.sdk.context import RunContext, current_run
from skills.sdk.errors import RunTimedOut


class Working:
    """Entered around everything a run awaits, and around no `yield`: inside, it is the current run and has a deadline.

    `asyncio.timeout` cannot be held across a `yield`, where it would cancel the reader, and one per chunk would cost a
    timer per chunk. This is one timer per run.
    """

    __slots__ = ("_ctx", "_expired", "_interrupted", "_seconds", "_task", "_timer", "_token")

    def __init__(self, ctx: RunContext, *, seconds: float) -> None:
        self._ctx = ctx
        self._seconds = seconds
        self._expired = False
        self._interrupted = False
        self._task: asyncio.Task[object] | None = None
        self._token: Token[RunContext] | None = None
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def __enter__(self) -> Self:
        if self._expired:
            raise self._late()
        self._token = current_run.set(self._ctx)
        self._task = asyncio.current_task()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        assert self._token is not None
        assert task is not None
        current_run.reset(self._token)
        if not self._interrupted:
            return
        self._interrupted = False
        others_cancel_too = task.uncancel() > 0
        if kind is None or (kind is asyncio.CancelledError and not others_cancel_too):
            raise self._late() from error

    def close(self) -> None:
        """Forget the deadline."""
        self._timer.cancel()

    def _expire(self) -> None:
        self._expired = True
        if self._task is not None:
            self._interrupted = True
            self._task.cancel()

    def _late(self) -> RunTimedOut:
        return RunTimedOut(f"The run took longer than the {self._seconds:g} seconds its agent allows.")
