"""Requests that the client's SDK sends again by itself: the next try is told the answer to the one before.

OpenAI's SDKs close the connection when they wait no longer, ask again, and say how often they have. They send no
Idempotency-Key with that. A request of theirs that is left before it was sent a byte goes on for as long as the next
try may be on its way, and until it is answered if that comes.
"""

import asyncio
import logging
import re
from collections import defaultdict
from contextlib import suppress
from typing import TypeAlias
from uuid import UUID

from asgiref.typing import ASGIReceiveEvent
from django.conf import settings

from agents.services.idempotency import Answer, Claim
from agents.services.retries import Retry, claim_of_try
from api.company import accompanied, departure
from api.edge import ClientGone, Exchange
from api.openai.idempotency import AWAY, HEADER, Handler, Tape, digest_of, prolonged, replay
from api.payment import token_in
from tenants.ids import uuid7

COUNT = b"x-stainless-retry-count"
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
"""What OpenAI's SDKs wait before they try again: at most the first at first, twice as long each time."""
ON_ITS_WAY_S = 0.4
LOOK_AGAIN_S = 1.0

_COUNT = re.compile(rb"[0-9]{1,3}")
_ALSO = (b"x-max-cost-usd", b"x-conversation-id", b"x-robutler-events")
"""Headers that change what is answered."""

_log = logging.getLogger(__name__)


async def tried(exchange: Exchange, handler: Handler) -> None:
    """Have `handler` answer, unless an earlier try of the request is being answered: then that is told."""
    count = exchange.headers.get(COUNT, b"")
    caller = exchange.caller
    is_of_sdk = _COUNT.fullmatch(count) and caller is not None and caller.key_id is not None
    if not is_of_sdk or HEADER in exchange.headers or not settings.ROBUTLER.retry_window_s:
        await handler(exchange)
        return
    assert caller is not None
    also = [str(caller.key_id).encode(), *(b"%b;" % exchange.headers.get(name, b"") for name in _ALSO)]
    this = Try(exchange, digest=await digest_of(exchange, *also), count=int(count))
    try:
        if this.count and await this.is_answered():
            return
    except AWAY:
        _log.warning("Whether an earlier try is being answered cannot be looked up for now.")
    await this.have_answered(handler)


class Try:
    """One try of a request: it may be told another's answer, or be answered, and others told that."""

    def __init__(self, exchange: Exchange, *, digest: bytes, count: int) -> None:
        assert exchange.caller is not None
        self.count = count
        self.run_id = uuid7()
        self._exchange = exchange
        self._digest = digest
        self._retry = Retry(caller=exchange.caller, digest=digest)
        self._receive = exchange.receive
        self._patience_s = min(FIRST_PAUSE_S * 2 ** min(count, 9), LONGEST_PAUSE_S) + ON_ITS_WAY_S
        self._patient_until: float | None = None
        self._claim: Claim | None = None
        self._taken: asyncio.Task[bool] | None = None
        self._prolonging: asyncio.Task[None] | None = None

    @property
    def may_be_joined(self) -> bool:
        """Whether all of its answer can be told to others: none of it was sent, or it is noted from the start."""
        return self._taken is not None or not self._exchange.status

    async def is_answered(self) -> bool:
        """Tell the answer of an earlier try, if one is to be had."""
        while (run_id := await self._joined()) is not None:
            answer = await self._awaited(run_id)
            if answer is not None:
                await replay(self._exchange, answer)
                return True
            self._exchange.retry_of = run_id
        self._exchange.retry_of = await self._retry.latest() or self._exchange.retry_of
        return False

    async def have_answered(self, handler: Handler) -> None:
        """Be answered, and let others be told the same as long as they may ask for it."""
        self._exchange.run_id = self.run_id
        self._exchange.receive = self.receive
        _in_progress[self._digest].append(self)
        try:
            await handler(self._exchange)
        except ClientGone:
            await self._let_go()
            raise
        finally:
            _in_progress[self._digest].remove(self)
            if not _in_progress[self._digest]:
                del _in_progress[self._digest]
            if self._prolonging is not None:
                self._prolonging.cancel()

    async def receive(self) -> ASGIReceiveEvent:
        """What comes from the client; that it left is said when no other try has come, or waits no longer."""
        now = asyncio.get_running_loop().time
        if self._patient_until is None:
            message = await self._receive()
            if message["type"] != "http.disconnect":
                return message
            self._patient_until = now() + self._patience_s
        if self.may_be_joined:
            await self.write_down()
            await asyncio.sleep(max(0.0, self._patient_until - now()))
            await self._no_longer_awaited()
        return {"type": "http.disconnect"}

    async def write_down(self) -> None:
        """Let other tries find it, in whatever process they are."""
        if self._taken is None:
            caller, token = self._exchange.caller, token_in(self._exchange.headers)
            assert caller is not None
            self._claim = claim_of_try(caller=caller, digest=self._digest, run_id=self.run_id, payment_token=token)
            self._taken = asyncio.create_task(_take(self._claim))
            self._exchange.tape = Tape(self._claim, taken=self._taken)
            self._prolonging = asyncio.create_task(prolonged(self._claim))
        await asyncio.shield(self._taken)

    async def _joined(self) -> UUID | None:
        """The run of an earlier try that will answer, or has."""
        if (run_id := await self._retry.join()) is not None:
            return run_id
        for other in reversed(_in_progress.get(self._digest, ())):
            # Its client is still there, as far as is known here.
            if other.may_be_joined:
                await other.write_down()
                return await self._retry.join()
            self._exchange.retry_of = other.run_id
        return None

    async def _awaited(self, run_id: UUID) -> Answer | None:
        try:
            async with accompanied(departure(self._exchange)):
                return await self._told(run_id)
        except ClientGone:
            with suppress(*AWAY):
                await self._retry.leave(run_id, back_within_s=self._patience_s)
            raise

    async def _told(self, run_id: UUID) -> Answer | None:
        """The answer, however long the database is away meanwhile: the run goes on without it."""
        while True:
            try:
                return await self._retry.answer(run_id)
            except AWAY:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _no_longer_awaited(self) -> None:
        assert self._claim is not None
        while True:
            try:
                if not await self._claim.is_awaited():
                    return
            except AWAY:
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _let_go(self) -> None:
        if self._claim is None:
            return
        try:
            await self._claim.let_go()
        except AWAY:
            _log.warning("The try of the run %s cannot be let go; it is free after its lease.", self.run_id)


_InProgress: TypeAlias = defaultdict[bytes, list[Try]]
_in_progress: _InProgress = defaultdict(list)


async def _take(claim: Claim) -> bool:
    try:
        return await claim.take() is None
    except AWAY:
        _log.warning("The try of the run %s cannot be written down.", claim.run_id)
        return False
