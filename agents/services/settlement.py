"""How a run ended, what is owed for that, and the closing of its books."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from agents.adapters.consumption import nobodys
from agents.adapters.meter import RunMeter
from agents.services.run_stream import Receipt
from billing import ledger
from billing.errors import HoldClosed, HoldNotFound, LedgerRefused
from billing.pricing import Bill
from skills.sdk import Usage

TEST, INSURANCE, NOT_DELIVERED = "test", "insurance", "not_delivered"
"""Why nobody pays what was used: the key was for tests, the reply was empty, or its caller got nothing of it."""

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


def owed(meter: RunMeter, ending: Ending) -> Bill:
    """What the run came to for its caller.

    A run that gave nothing costs nothing: neither one whose model gave nothing, nor one whose caller was to have the
    whole at once and has nothing of it. One that failed or was stopped by us in the midst of its stream costs what it
    used, without the price of a whole run; one that its caller ended, by leaving, by not reading on or by revoking its
    key, costs both. For a reply that a guard kept back the platform is paid, and the agent's owner is not.
    """
    used = meter.used
    if why := _why_nobodys(meter, ending):
        return nobodys(used.bill(runs=0), reason=why)
    if ending.withheld:
        return used.bill_without_owner()
    return used.bill(runs=1 if ending.status == "finished" or ending.by_caller else 0)


async def settle(meter: RunMeter, ending: Ending) -> Receipt:
    """Close the books of a run; while they are away, what it came to waits on disk and the receipt is deferred."""
    bill, why = owed(meter, ending), _why_nobodys(meter, ending)
    usage = Usage() if why in (INSURANCE, NOT_DELIVERED) else meter.used.usage
    charged, deferred = 0, False
    try:
        if bill.lines:
            settled = await ledger.settle(
                id=meter.hold_id,
                cost_nanos=bill.rated.cost_nanos,
                markup_nanos=bill.rated.markup_nanos,
                fee_nanos=bill.rated.fee_nanos,
                platform_credential=meter.terms.platform_credential,
                source=usage.source,
                status=ending.status,
                finish_reason=ending.finish_reason,
                lines=bill.lines,
            )
            charged, deferred = settled.charged_nanos, settled.deferred
        else:
            await ledger.release(id=meter.hold_id, status=ending.status)
    except (HoldClosed, HoldNotFound):
        # The sweeper came first: the process was away for longer than the hold lives.
        _log.warning("The hold %s had ended before its run did.", meter.hold_id)
    except LedgerRefused:
        deferred = True
        _log.exception("The hold %s is left to the sweeper.", meter.hold_id)
    return Receipt(status=ending.status, usage=usage, charged_nanos=charged, source=usage.source, deferred=deferred)


def _why_nobodys(meter: RunMeter, ending: Ending) -> str:
    """Why what was used is nobody's to pay; empty when the caller is to."""
    if not meter.charged:
        return TEST
    if ending.status == "finished":
        return "" if meter.used.delivered else INSURANCE
    if not meter.used.has_output or (ending.in_vain and not ending.withheld):
        return NOT_DELIVERED
    return ""


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
