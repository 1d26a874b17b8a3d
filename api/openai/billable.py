"""What every request that costs money goes through before its own part begins, and what its answer says of the cost."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from agents.services.run_stream import RunStream
from api import drain
from api.auth import recognise, require
from api.edge import Exchange, method_not_allowed
from api.limits import Slot
from api.openai.amounts import usd
from api.openai.idempotency import once
from api.problems import Headers
from tenants.permissions import CHAT_WRITE

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
        await once(exchange, lambda exchange: answer(exchange, slot))


def run_headers(run: RunStream) -> Headers:
    """Which run it was and, once that is known, what it cost in exact dollars; or that the books will follow."""
    headers: Headers = [(b"x-robutler-run-id", str(run.run_id).encode())]
    if run.receipt is None:
        return headers
    if run.receipt.deferred:
        headers.append((b"x-robutler-settlement", b"deferred"))
    else:
        headers.append((b"x-robutler-cost", usd(run.receipt.charged_nanos).encode()))
    return headers
