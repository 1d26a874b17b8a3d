"""Writes the rows of runs behind them, in batches, from one thread of the process."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from functools import cache
from threading import Condition, Thread
from typing import Any
from uuid import UUID

from django.db import DatabaseError, OperationalError, connections

from agents.models import Run, RunContent
from tenants.context import PLATFORM, atomic, platform_context

BATCH = 200
PAUSE_S = 0.1
RETRY_S = 1.0
MOST_WAITING = 20_000

REFUSED = (DatabaseError, ValueError, TypeError, OverflowError)
"""What a row that cannot be written raises: the database's word, or that of whoever puts it into words for it."""

_log = logging.getLogger(__name__)


class RunWriter:
    """Takes rows at any time without waiting. Of the same run only the latest is written; each is the whole row.

    Rows are a record, not money: when the database stays away and too many wait, the oldest are given up.
    """

    def __init__(self) -> None:
        self._waiting: dict[UUID, dict[str, Any]] = {}
        self._contents: dict[UUID, dict[str, Any]] = {}
        self._writing = 0
        self._changed = Condition()
        self._thread: Thread | None = None

    def write(self, row: Mapping[str, Any], *, content: Mapping[str, Any] | None = None) -> None:
        """Note a run as it now is, and what was said in it if that is to be kept."""
        with self._changed:
            self._waiting.pop(row["id"], None)
            self._waiting[row["id"]] = dict(row)
            if content is not None:
                self._contents[row["id"]] = dict(content)
            while len(self._waiting) > MOST_WAITING:
                given_up = next(iter(self._waiting))
                del self._waiting[given_up]
                self._contents.pop(given_up, None)
                _log.error("The row of run %s is given up: too many wait for the database.", given_up)
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._work, name="run-writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, *, timeout_s: float) -> bool:
        """Wait until everything noted is written; whether it was, in time."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._waiting and not self._writing, timeout=max(0.0, deadline - time.monotonic())
            )

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
            time.sleep(PAUSE_S)  # Runs that end shortly after they began become one row instead of two.
            rows, contents = self._take()
            left: Sequence[dict[str, Any]] = rows
            try:
                left = _written(rows, contents)
            finally:  # Whatever happens, even to this thread: what is not written is not forgotten.
                connections[PLATFORM].close()
                self._put_back(left, contents)
            if left:
                time.sleep(RETRY_S)

    def _take(self) -> tuple[list[dict[str, Any]], dict[UUID, dict[str, Any]]]:
        with self._changed:
            rows = [self._waiting.pop(id) for id in list(self._waiting)[:BATCH]]
            contents = {row["id"]: self._contents.pop(row["id"]) for row in rows if row["id"] in self._contents}
            self._writing = len(rows)
            return rows, contents

    def _put_back(self, rows: Sequence[dict[str, Any]], contents: Mapping[UUID, dict[str, Any]]) -> None:
        with self._changed:
            self._waiting = {row["id"]: row for row in rows} | self._waiting
            self._contents = {row["id"]: contents[row["id"]] for row in rows if row["id"] in contents} | self._contents
            self._writing = 0
            self._changed.notify_all()


def run_writer() -> RunWriter:
    """The writer of this process."""
    return _writer(os.getpid())


@cache
def _writer(pid: int) -> RunWriter:
    # One for each process: threads do not survive a fork.
    return RunWriter()


def _written(rows: Sequence[dict[str, Any]], contents: Mapping[UUID, dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Write the rows; answers those that have to wait because the database is away."""
    try:
        _upsert(rows, contents)
    except OperationalError as error:
        _log.warning("Runs cannot be written for now: %s", type(error).__name__)
        return rows
    except REFUSED:
        return _one_by_one(rows, contents)
    return ()


def _upsert(rows: Sequence[Mapping[str, Any]], contents: Mapping[UUID, Mapping[str, Any]]) -> None:
    with platform_context(reason="write the rows of runs"), atomic():
        Run.objects.bulk_create(
            [Run(**row) for row in rows],
            update_conflicts=True,
            unique_fields=("id",),
            update_fields=[field.name for field in Run._meta.concrete_fields if field.name != "id"],
        )
        RunContent.objects.bulk_create([RunContent(**content) for content in contents.values()], ignore_conflicts=True)


def _one_by_one(rows: Sequence[dict[str, Any]], contents: Mapping[UUID, dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Write what can be written: what is refused takes no other row with it, nor what was said the row of its run."""
    for nth, row in enumerate(rows):
        said = {row["id"]: contents[row["id"]]} if row["id"] in contents else {}
        for content in ({}, said) if said else ({},):
            try:
                _upsert([row], content)
            except OperationalError as error:
                _log.warning("Runs cannot be written for now: %s", type(error).__name__)
                return rows[nth:]
            except REFUSED:
                _log.exception("%s of run %s cannot be written.", "The content" if content else "The row", row["id"])
    return ()
