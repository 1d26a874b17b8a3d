"""How a run ended, what is owed for that, and the closing of its books."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, TypeVar

from agents.adapters.meter import RunMeter
from agents.services.run_stream import Receipt
from billing import ledger
from billing.errors import BillingBusy, BillingError, BillingUnavailable, HoldClosed, HoldNotFound
from billing.pricing import Rated
from skills.sdk import Usage

RETRIES_S = (0.5, 1.0, 2.0, 5.0, 10.0)
PAUSE_S = 10.0
GIVE_UP_S = 600.0
"""Books that are away for longer than this find what was checkpointed, if they ever took that."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended. `error` is the name of what went wrong; `by_caller`: the caller brought the end about.

    `in_vain`: it was to be answered in one piece, and its caller hears nothing but that it failed. `withheld`: a guard
    of the agent's kept back what its model had said.
    """

    status: ledger.Status
    finish_reason: str = ""
    stopped_by: str = ""
    error: str = ""
    by_caller: bool = False
    in_vain: bool = False
    withheld: bool = False


def owed(meter: RunMeter, ending: Ending) -> Rated | None:
    """What the caller owes; None when it owes nothing, whatever was used.

    A run that gave nothing costs nothing: neither one whose model gave nothing, nor one whose caller was to have the
    whole at once and has nothing of it. One that failed or was stopped by us in the midst of its stream costs what it
    used, without the price of a whole run; one that its caller ended, by leaving, by not reading on or by revoking its
    key, costs both. For a reply that a guard kept back the platform is paid, and the agent's owner is not.
    """
    if ending.status == "finished":
        return meter.rated(runs=1) if meter.delivered else None
    if ending.withheld and meter.has_output:
        return meter.unearned()
    if ending.in_vain or not meter.has_output:
        return None
    return meter.rated(runs=1 if ending.by_caller else 0)


async def settle(meter: RunMeter, ending: Ending) -> Receipt:
    """Close the books of a run. Raises a BillingError when they do not take it; it may be asked for again."""
    due = owed(meter, ending)
    usage = meter.usage if due is not None else Usage()
    charged = 0
    try:
        if due is None:
            await ledger.release(id=meter.hold_id, status=ending.status)
        else:
            settled = await ledger.settle(
                id=meter.hold_id,
                cost_nanos=due.cost_nanos,
                markup_nanos=due.markup_nanos,
                fee_nanos=due.fee_nanos,
                platform_credential=meter.terms.platform_credential,
                source=usage.source,
                status=ending.status,
                finish_reason=ending.finish_reason,
            )
            charged = settled.charged_nanos
    except (HoldClosed, HoldNotFound):
        # The sweeper came first: the process was away for longer than the hold lives.
        _log.warning("The hold %s had ended before its run did.", meter.hold_id)
    return Receipt(status=ending.status, usage=usage, charged_nanos=charged, source=usage.source)


async def settle_late(meter: RunMeter, ending: Ending, *, is_stopping: Callable[[], bool]) -> Receipt | None:
    """Try again, patiently while the books are away; None when the sweeper will have to settle what was checkpointed.

    Meanwhile the run counts as in progress, so that its hold is kept alive and what it came to is written down as soon
    as the books answer. A process that is about to end, or is refused, tries a few times only.
    """
    started = time.monotonic()
    for nth, pause_s in enumerate(chain(RETRIES_S, repeat(PAUSE_S))):
        await asyncio.sleep(pause_s)
        try:
            return await settle(meter, ending)
        except (BillingBusy, BillingUnavailable) as error:
            is_patient = not is_stopping() and time.monotonic() - started < GIVE_UP_S
            failure: BillingError = error
        except BillingError as error:
            is_patient = False
            failure = error
        _log.warning("The hold %s cannot be settled for now: %s", meter.hold_id, type(failure).__name__)
        if nth + 1 >= len(RETRIES_S) and not is_patient:
            break
    _log.error("The hold %s is left to the sweeper.", meter.hold_id)
    return None


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Await to the end; a cancellation that comes meanwhile is delivered at the next wait after it."""
    task = asyncio.create_task(work)
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            is_cancelled = True
    if is_cancelled and (current := asyncio.current_task()) is not None:
        current.cancel()
    return task.result()
