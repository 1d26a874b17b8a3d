"""The committer: one thread and one connection per process, on which all movements of money go out in groups."""

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings

from billing.connection import Connection, ConnectionLost, Rows
from billing.errors import BillingBusy, BillingError, BillingUnavailable, LedgerRefused
from billing.operations import EXTEND, HOLD, RELEASE, Operation

QUEUE_ROWS = 5_000
BATCH_ROWS = 512
BISECT_SECONDS = 4.0
TICK_S = 0.25
RETIRE_S = 5.0

# Somebody else held a lock for too long; the items themselves are fine.
_PASSING = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
# The database cannot, whatever it is asked: its disk is full, it only reads, it goes down, something in it broke.
_UNABLE = frozenset({"08", "25", "53", "57", "58", "XX"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the database said to each row of an item; `retried` when an earlier attempt may have been committed."""

    rows: Sequence[tuple[Any, ...]]
    retried: bool


@dataclass(kw_only=True, eq=False)
class Item:
    """Rows of one operation that one caller waits for."""

    operation: Operation
    rows: Sequence[tuple[Any, ...]]
    future: asyncio.Future[Answer]
    loop: asyncio.AbstractEventLoop
    outcome: Answer | BillingError | None = field(default=None)
    _is_answered: bool = False

    @property
    def is_pointless(self) -> bool:
        """Whether it asks for money that nobody waits for any more. What ends a hold is done all the same."""
        return self.operation in (HOLD, EXTEND) and self.future.done()

    @property
    def opened(self) -> tuple[UUID, ...]:
        """The holds that this item made."""
        if self.operation is not HOLD or not isinstance(self.outcome, Answer):
            return ()
        rows = zip(self.rows, self.outcome.rows, strict=True)
        return tuple(
            asked[0]
            for asked, (_, outcome, repeated, *_) in rows
            if outcome == "held" and (self.outcome.retried or not repeated)
        )

    def tell(self) -> None:
        """Hand the outcome to whoever still waits for it; runs in the caller's loop, perhaps more than once."""
        if self._is_answered:
            return
        if self.future.done():
            _give_back(self)
        elif isinstance(self.outcome, Answer):
            self._is_answered = True
            self.future.set_result(self.outcome)
        else:
            self.future.set_exception(self.outcome or BillingUnavailable("The ledger stopped before it answered."))


async def ask(operation: Operation, rows: Sequence[tuple[Any, ...]]) -> Answer:
    """Carry out the rows of an operation in the next transaction of this process, and wait until it is durable."""
    loop = asyncio.get_running_loop()
    item = Item(operation=operation, rows=rows, future=loop.create_future(), loop=loop)
    _running().submit(item)
    try:
        async with asyncio.timeout(settings.ROBUTLER.ledger_answer_s):
            answer = await item.future
    except TimeoutError:
        _give_back(item)
        raise BillingUnavailable("The ledger did not answer in time.") from None
    except asyncio.CancelledError:
        _give_back(item)
        raise
    return answer


def _give_back(item: Item) -> None:
    """Release what was held for somebody who has left; called again once the answer is there, if it is not yet."""
    if not item.opened:
        return
    rows = tuple((id, "cancelled") for id in item.opened)
    release = Item(operation=RELEASE, rows=rows, future=item.loop.create_future(), loop=item.loop)
    release.future.add_done_callback(_heard)
    try:
        _running().submit(release)
    except (BillingBusy, BillingUnavailable):
        return  # it ends by its lifetime


def _heard(future: asyncio.Future[Answer]) -> None:
    if not future.cancelled():
        future.exception()  # a hold that cannot be released ends by its lifetime


def drain(*, timeout_s: float = 10.0) -> bool:
    """Finish what is queued and stop; whether everything was answered in time."""
    return _committer is None or _committer.stop(timeout_s=timeout_s)


class Committer:
    """Takes what has arrived, sends it as one transaction, and answers; meanwhile the next group gathers.

    A second thread watches the first: a database that says nothing for `ledger_stall_s` counts as away, and everybody
    who waits is told. When that lasts, the connection is cut and another committer takes over; whatever the old one had
    on its way may be repeated.
    """

    def __init__(self) -> None:
        self._waiting: deque[Item] = deque()
        self._waiting_rows = 0
        self._under_way: Sequence[Item] = ()
        self._arrived = threading.Condition()
        self._stopping = False
        self._connection = Connection()
        self._is_stalled = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ledger-committer", daemon=True)
        self._thread.start()
        threading.Thread(target=self._watch, name="ledger-watchdog", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it takes more."""
        return self._thread.is_alive() and not self._stopping

    def submit(self, item: Item) -> None:
        """Queue an item; BillingBusy when the queue is full."""
        with self._arrived:
            if not self.alive:
                raise BillingUnavailable("The ledger has just stopped; try again in a moment.")
            if self._is_stalled:
                raise BillingUnavailable("The ledger does not answer.")
            if self._waiting_rows >= QUEUE_ROWS:
                raise BillingBusy("Too many runs are being started or settled; try again in a moment.")
            self._waiting.append(item)
            self._waiting_rows += len(item.rows)
            self._arrived.notify()

    def stop(self, *, timeout_s: float) -> bool:
        """Answer what is queued, then end the thread."""
        with self._arrived:
            self._stopping = True
            self._arrived.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            while batch := self._take():
                self._carry_out(batch)
                self._is_stalled = False  # so that what nobody waits for any more can be given back
                _tell(batch)
                self._under_way = ()
        finally:
            # However the thread ends, nobody is left waiting; the next item starts another.
            self._ended.set()
            with self._arrived:
                self._stopping = True
                left, self._waiting = [*self._under_way, *self._waiting], deque()
            _tell(left)
            self._connection.close()

    def _take(self) -> list[Item]:
        with self._arrived:
            while not self._waiting and not self._stopping:
                self._arrived.wait()
            batch: list[Item] = []
            seen: dict[UUID, Operation] = {}
            rows = 0
            while self._waiting:
                item = self._waiting[0]
                if batch and (rows + len(item.rows) > BATCH_ROWS or _overtakes(item, seen)):
                    break
                batch.append(self._waiting.popleft())
                rows += len(item.rows)
                seen.update((row[0], item.operation) for row in item.rows)
            self._waiting_rows -= rows
            self._under_way = batch
            return batch

    def _watch(self) -> None:
        """Count how often in a row a question is found unanswered: a process that slept is not a database away."""
        asked, ticks = 0, 0
        while not self._ended.wait(TICK_S):
            ticks = ticks + 1 if self._connection.is_asking and self._connection.asked == asked else 0
            asked = self._connection.asked
            with self._arrived:
                self._is_stalled = ticks * TICK_S >= settings.ROBUTLER.ledger_stall_s
            if ticks * TICK_S >= RETIRE_S:
                self._retire()
                return
            if self._is_stalled:
                self._give_up_waiting()

    def _give_up_waiting(self) -> None:
        """Tell everybody that the database is away; those under way are answered once more if it comes back."""
        with self._arrived:
            left, self._waiting, self._waiting_rows = [*self._under_way, *self._waiting], deque(), 0
        _tell(left)

    def _retire(self) -> None:
        _log.error("The database has not answered the ledger for %.0f seconds: another connection is tried.", RETIRE_S)
        with self._arrived:
            self._stopping = True
        self._give_up_waiting()
        self._connection.cut()

    def _carry_out(self, batch: Sequence[Item]) -> None:
        for attempt in (1, 2):
            try:
                self._try(batch, deadline=time.monotonic() + BISECT_SECONDS, retried=attempt == 2)
                return
            except ConnectionLost:
                if self._is_stalled:
                    break
        for item in batch:
            item.outcome = item.outcome or BillingUnavailable("The ledger does not answer.")

    def _try(self, batch: Sequence[Item], *, deadline: float, retried: bool) -> None:
        """Send the batch; if it fails, its halves, so that one bad item cannot hold back the others."""
        open_items = [item for item in batch if item.outcome is None and not item.is_pointless]
        if not open_items:
            return
        try:
            self._send(open_items, retried=retried)
        except (psycopg.Error, ValueError, TypeError) as error:  # the latter two: what cannot even be sent
            if isinstance(error, psycopg.errors.LockNotAvailable) and self._set_busy_aside(open_items, error):
                self._try(open_items, deadline=deadline, retried=retried)
                return
            passing = isinstance(error, _PASSING)
            if len(open_items) == 1 or (passing and time.monotonic() > deadline):
                for item in open_items:
                    item.outcome = _outcome_of(error, passing=passing)
                return
            middle = len(open_items) // 2
            for half in (open_items[:middle], open_items[middle:]):
                self._try(half, deadline=deadline, retried=retried)

    def _set_busy_aside(self, items: Sequence[Item], error: Exception) -> bool:
        """Refuse those whose rows somebody else keeps locked; whether there were any."""
        busy = self._connection.busy(_rows_of(_grouped(items)))
        kept_waiting = [item for item in items if any(row[item.operation.opens] in busy for row in item.rows)]
        for item in kept_waiting:
            item.outcome = _outcome_of(error, passing=True)
        return bool(kept_waiting)

    def _send(self, items: Sequence[Item], *, retried: bool) -> None:
        in_order = _grouped(items)
        asked = _rows_of(in_order)
        for (_, group), rows in zip(in_order, self._connection.send(asked), strict=True):
            position = 0
            for item in group:
                item.outcome = Answer(rows=rows[position : position + len(item.rows)], retried=retried)
                position += len(item.rows)


_committer: Committer | None = None
_starting = threading.Lock()


def _running() -> Committer:
    global _committer  # noqa: PLW0603 - one per process is the point
    if _committer is None or not _committer.alive:
        with _starting:
            if _committer is None or not _committer.alive:
                _committer = Committer()
    return _committer


def _forget_after_fork() -> None:
    # The thread stayed behind in the parent, perhaps with the lock.
    global _committer, _starting
    _committer, _starting = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)


def _overtakes(item: Item, seen: dict[UUID, Operation]) -> bool:
    """Whether the item acts on a hold that another operation of the batch acts on: kinds go out in a fixed order."""
    return any(seen.get(row[0], item.operation) is not item.operation for row in item.rows)


def _grouped(items: Sequence[Item]) -> list[tuple[Operation, list[Item]]]:
    """By operation, in the order in which they go out."""
    groups: dict[Operation, list[Item]] = {}
    for item in items:
        groups.setdefault(item.operation, []).append(item)
    return sorted(groups.items(), key=lambda pair: pair[0].order)


def _rows_of(groups: Sequence[tuple[Operation, Sequence[Item]]]) -> list[tuple[Operation, Rows]]:
    return [(operation, [row for item in group for row in item.rows]) for operation, group in groups]


def _outcome_of(error: Exception, *, passing: bool) -> BillingError:
    outcome: BillingError
    if passing:
        outcome = BillingBusy("The wallet is busy; try again in a moment.")
    elif isinstance(error, psycopg.Error) and (error.sqlstate or "")[:2] in _UNABLE:
        outcome = BillingUnavailable("The ledger cannot write for now.")
    else:
        outcome = LedgerRefused("The ledger refused this movement of money.")
    outcome.__cause__ = error
    return outcome


def _tell(items: Sequence[Item]) -> None:
    """Wake each waiting loop once, however many of its callers got an answer."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Item]] = {}
    for item in items:
        by_loop.setdefault(item.loop, []).append(item)
    for loop, theirs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_tell_all, theirs)
        except RuntimeError:  # the loop was closed: nobody waits any more
            continue


def _tell_all(items: Sequence[Item]) -> None:
    for item in items:
        item.tell()
