"""Tells the time in which a run works from the time in which whoever reads its events does."""

import asyncio
from contextvars import Token
from types import TracebackType
from typing import Self

from skills.sdk.context import RunContext, current_run
from skills.sdk.errors import RunTimedOut

CLOCK_S = 0.001
"""Timers may go off a little early."""


class Working:
    """Entered around everything a run awaits, and around no `yield`: inside, it is the current run and its time runs.

    Outside, its reader's does: who reads slowly makes no run late. `asyncio.timeout` cannot be held across a `yield`,
    where it would cancel the reader, and one per chunk would cost a timer per chunk. This is one timer per run, which
    is set anew when it goes off too early.
    """

    __slots__ = (
        "_ctx", "_entered_at", "_expired", "_for_others", "_interrupted", "_loop", "_seconds", "_task", "_timer",
        "_token", "_worked_s",
    )  # fmt: skip

    def __init__(self, ctx: RunContext, *, seconds: float) -> None:
        self._ctx = ctx
        self._seconds = seconds
        self._expired = False
        self._for_others = False
        self._interrupted = False
        self._task: asyncio.Task[object] | None = None
        self._token: Token[RunContext] | None = None
        self._worked_s = 0.0
        self._entered_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(seconds, self._ring)

    def for_others(self) -> Self:
        """The same, where what is awaited is the model's or a tool's to do."""
        self._for_others = True
        return self

    def __enter__(self) -> Self:
        left_s = self._allowed_s - self._worked_s
        if self._expired or left_s <= 0:
            raise self._late()
        self._entered_at = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(left_s, self._ring)
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
        worked_s = self._loop.time() - self._entered_at
        self._worked_s += worked_s
        if self._for_others:
            self._for_others = False
            self._ctx.waited.seconds += worked_s
        if not self._interrupted:
            return
        self._interrupted = False
        others_cancel_too = task.uncancel() > 0
        if kind is None or (kind is asyncio.CancelledError and not others_cancel_too):
            raise self._late() from error

    def close(self) -> None:
        """Forget the deadline."""
        if self._timer is not None:
            self._timer.cancel()

    @property
    def _allowed_s(self) -> float:
        """What the run may work, and the time that it waited for people, which is not its own."""
        return self._seconds + self._ctx.waited.stood_still_s

    def _ring(self) -> None:
        self._timer = None
        if self._task is None:
            return  # The reader's time; the timer is set again when the run goes on.
        left_s = self._allowed_s - self._worked_s - (self._loop.time() - self._entered_at)
        if left_s > CLOCK_S:
            self._timer = self._loop.call_later(left_s, self._ring)
            return
        self._expired = True
        self._interrupted = True
        self._task.cancel()

    def _late(self) -> RunTimedOut:
        return RunTimedOut(f"The run took longer than the {self._seconds:g} seconds its agent allows.")
