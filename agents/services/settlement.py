"""How a run ended, what is owed for that, and the closing of its books."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from agents.adapters.meter import RunMeter
from agents.services.run_stream import Receipt
from billing import ledger
from billing.errors import HoldClosed, HoldNotFound, LedgerRefused
from billing.pricing import Rated
from skills.sdk import Usage

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
    """Close the books of a run; while they are away, what it came to waits on disk and the receipt is deferred."""
    due = owed(meter, ending)
    usage = meter.usage if due is not None else Usage()
    charged, deferred = 0, False
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
            charged, deferred = settled.charged_nanos, settled.deferred
    except (HoldClosed, HoldNotFound):
        # The sweeper came first: the process was away for longer than the hold lives.
        _log.warning("The hold %s had ended before its run did.", meter.hold_id)
    except LedgerRefused:
        deferred = True
        _log.exception("The hold %s is left to the sweeper.", meter.hold_id)
    return Receipt(status=ending.status, usage=usage, charged_nanos=charged, source=usage.source, deferred=deferred)


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
