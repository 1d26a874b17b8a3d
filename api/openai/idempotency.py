"""The header Idempotency-Key: the first request that brings a key is answered, all others are told the same again.

An answer that began with 200 and came to its end is kept, and so is every other that was charged for. What cost nothing
leaves the key free, so that the client may try again.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from asgiref.typing import ASGIReceiveCallable, ASGIReceiveEvent
from django.conf import settings

from agents.errors import AgentsUnavailable
from agents.services.idempotency import PROLONG_S, Answer, Claim
from api.company import accompanied
from api.edge import ClientGone, Exchange
from api.payment import token_in
from api.problems import Headers, InvalidRequest, Problem, Refused, body_of, headers_of
from tenants.errors import TenantsUnavailable
from tenants.ids import uuid7

HEADER = b"idempotency-key"
REPLAYED = (b"idempotent-replayed", b"true")
SETTLED_WITHIN_S = 20.0

_KEY = re.compile(rb"[\x20-\x7e]{1,255}")
_COMMENT = b":"
AWAY = (AgentsUnavailable, TenantsUnavailable)

Handler: TypeAlias = Callable[[Exchange], Awaitable[None]]

_log = logging.getLogger(__name__)


async def once(exchange: Exchange, handler: Handler) -> None:
    """Have `handler` answer, unless the request carries a key to which there is an answer already."""
    key = exchange.headers.get(HEADER)
    if key is None:
        await handler(exchange)
        return
    claim = await _claim(exchange, key)
    if (answer := await claim.take()) is not None:
        await replay(exchange, answer)
        return
    exchange.run_id = claim.run_id
    exchange.receive = _Patience(exchange.receive, settings.ROBUTLER.finish_alone_s).receive
    tape = exchange.tape = Tape(claim)
    try:
        async with accompanied(prolonged(claim)):
            await handler(exchange)
    except ClientGone:
        await tape.cut()
        raise


async def _claim(exchange: Exchange, key: bytes) -> Claim:
    assert exchange.caller is not None
    if not _KEY.fullmatch(key):
        raise InvalidRequest("Idempotency-Key takes 1 to 255 printable ASCII characters.", param="Idempotency-Key")
    digest = await digest_of(exchange)
    token = token_in(exchange.headers)
    return Claim(caller=exchange.caller, key=key.decode(), digest=digest, run_id=uuid7(), payment_token=token)


async def digest_of(exchange: Exchange, *others: bytes) -> bytes:
    """What tells a request from others: where it goes, who pays, its body, and what else counts."""
    body = await exchange.body(limit=settings.ROBUTLER.body_limit_bytes)
    exchange.give_back(body)
    token = token_in(exchange.headers)
    paid_by = b"" if token is None else b" %b" % token.reveal().encode()
    request = b"%b %b%b\n" % (exchange.scope["method"].encode(), exchange.scope["path"].encode(), paid_by)
    return hashlib.sha256(b"".join([*others, request, body])).digest()


async def replay(exchange: Exchange, answer: Answer) -> None:
    """Tell an answer again."""
    if answer.body is None:
        raise Refused(_not_kept())
    headers: Headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    await exchange.start(answer.status, [*headers, REPLAYED])
    exchange.note(replayed=True)
    await exchange.write(answer.body, more=False)


async def prolonged(claim: Claim) -> None:
    """Beside the answering: keep the key for it."""
    while True:
        await asyncio.sleep(PROLONG_S)
        try:
            await claim.prolong()
        except AWAY:
            _log.warning("The key of the run %s cannot be prolonged for now.", claim.run_id)


class Tape:
    """Takes down an answer as it is sent, and keeps it before its last bytes go out."""

    def __init__(self, claim: Claim, *, taken: asyncio.Future[bool] | None = None) -> None:
        """`taken`: when the claim is made, where that is still under way, and whether it could be."""
        self.problem: Problem | None = None
        """What went wrong after the answer had begun."""
        self._claim = claim
        self._taken = taken
        self._status = 0
        self._headers: Headers = []
        self._pieces: list[bytes] | None = []
        self._room = settings.ROBUTLER.idempotency_answer_bytes
        self._is_over = False

    def begin(self, status: int, headers: Headers) -> None:
        """Note how the answer begins."""
        self._status, self._headers = status, headers

    async def note(self, piece: bytes, *, more: bool) -> None:
        """Note a piece. The comments of an event stream are not part of what it says."""
        if self._pieces is not None and not piece.startswith(_COMMENT):
            self._room -= len(piece)
            self._pieces.append(piece)
            if self._room < 0:
                self._pieces = None
        if not more and not self._is_over:
            await self._end()

    async def cut(self) -> None:
        """The client left, and the run was stopped: once it is settled, keep that it was, or let the key go."""
        if self._is_over:
            return
        stopped = _stopped()
        self.problem, self._status, self._headers = stopped, stopped.status, headers_of(stopped)
        self._headers = [(b"content-type", b"application/json"), *self._headers]
        self._pieces = [body_of(stopped)]
        try:
            await self._claim.settled(within_s=SETTLED_WITHIN_S)
        except AWAY:
            return
        await self._end()

    async def _end(self) -> None:
        self._is_over = True
        if self._taken is not None and not await asyncio.shield(self._taken):
            return
        answer = Answer(
            status=self._status,
            headers=[(name.decode(), value.decode()) for name, value in self._headers],
            body=None if self._pieces is None else b"".join(self._pieces),
        )
        keep = self._claim.keep if self._status == 200 and self.problem is None else self._claim.keep_if_charged
        try:
            await keep(answer)
        except AWAY:
            _log.warning("The answer of the run %s cannot be kept for its key.", self._claim.run_id)


class _Patience:
    """A client who left is not reported as gone until a while later, so that it finds its answer when it comes back."""

    def __init__(self, receive: ASGIReceiveCallable, patience_s: float) -> None:
        self._receive = receive
        self._patience_s = patience_s
        self._until: float | None = None

    async def receive(self) -> ASGIReceiveEvent:
        """What comes from the client, its leaving with delay."""
        now = asyncio.get_running_loop().time
        if self._until is None:
            message = await self._receive()
            if message["type"] != "http.disconnect":
                return message
            self._until = now() + self._patience_s
        await asyncio.sleep(max(0.0, self._until - now()))
        return {"type": "http.disconnect"}


def _stopped() -> Problem:
    return Problem(
        status=408,
        type="timeout_error",
        code="request_timeout",
        message="The client had left, and the run was stopped before it was done. What it had produced was charged.",
        should_retry=False,
    )


def _not_kept() -> Problem:
    most = settings.ROBUTLER.idempotency_answer_bytes
    return Problem(
        status=409,
        type="idempotency_error",
        code="answer_not_kept",
        message=f"This request was answered before, with more than the {most} bytes that are kept. "
        "To have it answered anew, send a new Idempotency-Key.",
        should_retry=False,
    )
