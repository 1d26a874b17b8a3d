"""The runs of this process: how many, kept alive in the books, and brought to an end when the process stops."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from agents import loader
from agents.adapters.run_writer import run_writer
from agents.errors import Draining
from agents.services.admission import Admission, Terms
from billing import ledger, selectors
from billing import tokens as billing_tokens
from billing.errors import BillingError
from tenants import notify
from tenants.errors import TenantsUnavailable
from tenants.selectors import revoked_among
from tenants.threads import in_thread

if TYPE_CHECKING:
    from agents.services.run_task import RunTask

CHECKPOINT_S = 1.0
MUCH = 800
"""Bytes, or two hundred tokens: a run that has produced so many since is written down sooner."""
SOONEST_S = 0.1
HEARD_OUT_AT_ONCE = 4
"""Of so many runs of an organization the models are heard out at once after their callers left."""
SETTLING_S = 20.0
FLUSH_S = 5.0
OUT_OF_TOUCH_S = ledger.HOLD_SECONDS - 5.0
"""Who could write nothing down for so long, because the process stood still or the database was away, may have been
taken for dead: what it reserved is no longer reserved then."""

_log = logging.getLogger(__name__)


class Running:
    """The runs in progress. While there are any, what they have used is written down every second, or 200 tokens.

    That is also their heartbeat: a hold outlives its run's process by its lifetime and no more.
    """

    def __init__(self) -> None:
        self._runs: set[RunTask] = set()
        self._checkpointers: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}
        self._admission = Admission()
        self._is_draining = False
        notify.subscribe("revoked", self.stop_for_key)
        notify.subscribe("token", self.stop_for_token)

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def is_draining(self) -> bool:
        """Whether the process is about to end."""
        return self._is_draining

    @asynccontextmanager
    async def admitted(self, organization_id: UUID) -> AsyncGenerator[None]:
        """Keep a place for a run that is being prepared; inside, it is taken in. Raises Draining or TooManyRuns."""
        if self._is_draining:
            raise Draining
        async with self._admission.place(organization_id, _terms()):
            yield

    def add(self, run: "RunTask") -> None:
        """Take a run in. Raises Draining if the process has begun to stop while the run was prepared."""
        if self._is_draining:
            raise Draining
        self._runs.add(run)
        self._admission.take(run.reservation.caller)
        loop = asyncio.get_running_loop()
        checkpointer = self._checkpointers.get(loop)
        if checkpointer is None or checkpointer.done():
            self._checkpointers = {known: task for known, task in self._checkpointers.items() if not known.is_closed()}
            self._checkpointers[loop] = loop.create_task(self._checkpoint(loop), name="checkpoints")

    def remove(self, run: "RunTask") -> None:
        """Let a run go that is settled."""
        if run in self._runs:
            self._runs.remove(run)
            self._admission.give_back(run.reservation.caller)

    def find(self, run_id: UUID) -> "RunTask | None":
        """The run by its id, if it is one of this process."""
        return next((run for run in self._runs if run.stream.run_id == run_id), None)

    def may_hear_out(self, run: "RunTask") -> bool:
        """Whether a run whose reader left hears its model out: it is billed on, and not one of too many that do."""
        if not run.is_billed_on:
            return False
        payer = run.reservation.payer
        return sum(each.hears_out for each in self._runs if each.reservation.payer == payer) < HEARD_OUT_AT_ONCE

    def stop_all(self) -> None:
        """Stop every run at once; each is settled and tells its reader."""
        for run in tuple(self._runs):
            run.stop("The server is shutting down and stopped the run.")

    def stop_for_key(self, key_id: str | None) -> None:
        """Stop the runs of a key that was revoked; None when such news may have been missed."""
        revoked = self._revoked() if key_id is None else {key_id}
        for run in tuple(self._runs):
            if run.ctx.caller.key_id in revoked:
                run.stop("The API key was revoked while the run was in progress.", by_caller=True)

    def stop_for_token(self, token_id: str | None) -> None:
        """Stop the runs that a revoked payment token pays for; None when such news may have been missed."""
        paying = {run: run.reservation.by.token_id for run in tuple(self._runs) if run.reservation.by.token_id}
        revoked = _ended_among(set(paying.values())) if token_id is None else {UUID(token_id)}
        for run, paid_by in paying.items():
            if paid_by in revoked:
                run.stop("The payment token was revoked while the run was in progress.", by_caller=True)

    def _revoked(self) -> set[str]:
        """Of the keys that have runs in progress, those that are revoked by now."""
        keys = {UUID(run.ctx.caller.key_id) for run in tuple(self._runs) if run.ctx.caller.key_id}
        if not keys:
            return set()
        try:
            return {str(key) for key in revoked_among(keys)}
        except DatabaseError as error:
            # The listener will come back with the database, and ask again.
            _log.warning("Keys that may have been revoked cannot be looked up for now: %s", type(error).__name__)
            return set()

    async def drain(self, *, timeout_s: float) -> None:
        """Begin no further run, let those in progress finish for so long, stop the rest, write everything down."""
        self._is_draining = True
        self._admission.refuse_all(Draining())
        if not await self._empty(timeout_s):
            _log.warning("%d runs are stopped: the process ends.", len(self._runs))
            self.stop_all()
            await self._empty(SETTLING_S)
        loader.unload_all()
        await in_thread(run_writer().flush, timeout_s=FLUSH_S)

    async def _empty(self, timeout_s: float) -> bool:
        """Wait until no run is left; whether that came in time."""
        tasks = {run.task for run in self._runs if run.task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        return not self._runs

    async def _checkpoint(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write down what the loop's runs have used, until there are none. None of them is kept until next time."""
        while True:
            until = loop.time() + CHECKPOINT_S
            while (left_s := until - loop.time()) > 0:
                await asyncio.sleep(min(SOONEST_S, left_s))
                await _write_down(run for run in self._runs if run.loop is loop and run.meter.unwritten_bytes >= MUCH)
            if not await _write_down(run for run in self._runs if run.loop is loop):
                return


async def _write_down(runs: Iterable["RunTask"]) -> bool:
    """Write down what these runs have used; whether there were any."""
    paid = {}
    anybody = False
    for run in runs:
        anybody = True
        run.meter.unwritten_bytes = 0
        if run.meter.reserved_nanos:
            paid[run.meter.hold_id] = run
    now = time.monotonic()
    try:
        await ledger.checkpoint({id: run.accrued() for id, run in paid.items()})
        await _stop_lost([run for run in paid.values() if now - run.written_at > OUT_OF_TOUCH_S])
    except (BillingError, DatabaseError, TenantsUnavailable) as error:
        _log.warning("What runs have used cannot be written down for now: %s", type(error).__name__)
    else:
        for run in paid.values():
            run.written_at = now
    return anybody


async def _stop_lost(runs: Collection["RunTask"]) -> None:
    """Stop those whose hold was ended by the sweeper meanwhile: what they use from now on nobody would pay."""
    if not runs:
        return
    ended = await in_thread(selectors.ended_among, {run.meter.hold_id for run in runs})
    for run in runs:
        if run.meter.hold_id in ended:
            run.stop("The run was cut off from the ledger for longer than its reservation lasts.")


def _ended_among(tokens: set[UUID | None]) -> set[UUID]:
    """Of these payment tokens, those that are revoked by now."""
    known = {token for token in tokens if token is not None}
    if not known:
        return set()
    try:
        return billing_tokens.revoked_among(known)
    except DatabaseError as error:
        _log.warning("Payment tokens that may have been revoked cannot be looked up: %s", type(error).__name__)
        return set()


def running() -> Running:
    """The runs of this process."""
    return _running(os.getpid())


@cache
def _running(pid: int) -> Running:
    # One for each process: tasks do not survive a fork.
    return Running()


def _terms() -> Terms:
    known = settings.ROBUTLER
    return Terms(
        places=known.max_parallel_runs,
        share_percent=known.run_share_percent,
        wait_s=known.run_wait_s,
        most_waiting=known.max_waiting_runs,
    )
