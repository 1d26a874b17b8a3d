"""What every request that costs money goes through before its own part begins, and what its answer says of the cost."""

import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeAlias

from agents.services.run_stream import RunStream
from api import drain
from api.auth import recognise, require
from api.edge import Exchange, method_not_allowed
from api.limits import Slot
from api.openai.amounts import usd
from api.openai.idempotency import once
from api.openai.retries import tried
from api.problems import Headers, InvalidRequest
from tenants.permissions import CHAT_WRITE

MAX_COST = b"x-max-cost-usd"

_DOLLARS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

Answer: TypeAlias = Callable[[Exchange, Slot], Awaitable[None]]


async def admit(exchange: Exchange, answer: Answer) -> None:
    """Have `answer` answer a POST of somebody who may use models, while the key has a place for one more request."""
    if exchange.scope["method"] != "POST":
        raise method_not_allowed("POST", "OPTIONS")
    drain.refuse_when_draining()
    caller = await recognise(exchange)
    exchange.note(organization=str(caller.organization_id))
    require(caller, CHAT_WRITE)
    async with Slot(caller) as slot:
        await once(exchange, lambda exchange: tried(exchange, lambda exchange: answer(exchange, slot)))


def max_cost_nanos(header: bytes | str | None) -> int | None:
    """What the header X-Max-Cost-USD says that the run may cost at most: dollars, to a billionth of one."""
    if header is None:
        return None
    told = header.decode("latin-1") if isinstance(header, bytes) else header
    if not _DOLLARS.fullmatch(told) or not (nanos := int(Decimal(told).scaleb(9))):
        raise InvalidRequest(
            "X-Max-Cost-USD takes a positive decimal number of dollars with at most nine places, such as 0.05.",
            param="X-Max-Cost-USD",
        )
    return nanos


def run_headers(run: RunStream) -> Headers:
    """Which run it was, what its answer was cut to for want of money and, once that is known, what it cost.

    Where the books are away, that they will follow.
    """
    headers: Headers = [(b"x-robutler-run-id", str(run.run_id).encode())]
    if run.max_output_tokens is not None:
        headers.append((b"x-robutler-max-tokens", str(run.max_output_tokens).encode()))
    if run.receipt is None:
        return headers
    if run.receipt.deferred:
        headers.append((b"x-robutler-settlement", b"deferred"))
    else:
        headers.append((b"x-robutler-cost", usd(run.receipt.charged_nanos).encode()))
    return headers
