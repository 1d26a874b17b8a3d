"""Answering a request once, however often it is sent with the same Idempotency-Key.

A key belongs to the first request that brings it, until that is answered. It is leased meanwhile, so that the key of a
process that was killed becomes free again; but not before the books of its run are closed, since only then is it known
that nothing more will be charged for it. Whoever answers writes only as long as the key is still its own.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from agents.errors import KeyInUse, KeyReused
from agents.models import IdempotentAnswer
from agents.services.on_behalf import on_behalf_of
from billing import selectors as billing
from billing import tokens
from billing.errors import TokenInvalid
from tenants.caller import Caller
from tenants.context import alias, organization_context
from tenants.ids import uuid7
from tenants.secret import Secret

LEASE = timedelta(seconds=30)
PROLONG_S = 10.0
LOOK_AGAIN_S = 0.1

_INSERT = """
    INSERT INTO agents_idempotentanswer (id, organization_id, key, digest, run_id, leased_until, headers, expires_at)
    VALUES (%s, %s, %s, %s, %s, now() + %s, '[]', now() + %s)
    ON CONFLICT (organization_id, key) DO NOTHING RETURNING true
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is kept of an answer. `body` is None when it was too large."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes | None


def answer_in(row: IdempotentAnswer) -> Answer | None:
    """What was answered, if it has been."""
    if row.status is None:
        return None
    body = None if row.body is None else bytes(row.body)
    return Answer(status=row.status, headers=[(name, value) for name, value in row.headers], body=body)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right, and the duty, to answer the request behind a key by this run."""

    caller: Caller
    key: str
    digest: bytes
    run_id: UUID
    payment_token: Secret | None = None
    """What pays for the run, if not the caller."""
    keeping: timedelta = field(default_factory=lambda: timedelta(hours=settings.ROBUTLER.idempotency_hours))
    """For how long the answer is kept."""

    async def take(self) -> Answer | None:
        """Take the key for the run. If the request has been answered before, that answer, and the key is not taken.

        Raises KeyReused if the key belongs to another request, and KeyInUse while the same one is being answered.
        """
        return await on_behalf_of(self.caller, self._take)

    async def prolong(self) -> None:
        """Say that the answer is still on its way."""
        await on_behalf_of(self.caller, self._prolong)

    async def keep(self, answer: Answer) -> None:
        """Keep what was answered, for whoever asks again."""
        await on_behalf_of(self.caller, self._keep, answer)

    async def keep_if_charged(self, answer: Answer) -> None:
        """Keep the answer if anything was charged for it, or will be; else the key may be used for another try."""
        await on_behalf_of(self.caller, self._keep_if_charged, answer)

    async def let_go(self) -> None:
        """Say that there will be no answer."""
        await on_behalf_of(self.caller, self._let_go)

    async def is_awaited(self) -> bool:
        """Whether somebody who asked again waits for the answer."""
        return await on_behalf_of(self.caller, self._is_awaited)

    async def settled(self, *, within_s: float) -> None:
        """Wait until the books of the run are closed, if they are in time."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + within_s
        while await on_behalf_of(self.caller, self._is_held, self.run_id):
            if clock() >= deadline:
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    def _take(self) -> Answer | None:
        organization_id = self.caller.organization_id
        values: list[Any] = [uuid7(), organization_id, self.key, self.digest, self.run_id, LEASE, self.keeping]
        with connections[alias()].cursor() as cursor:
            cursor.execute(_INSERT, values)
            if cursor.fetchone():
                return None
        return self._found()

    def _found(self) -> Answer | None:
        """What stands behind a key that somebody had before."""
        row = (
            IdempotentAnswer.objects.filter(key=self.key)
            .annotate(is_over=Q(expires_at__lte=Now()), is_leased=Q(leased_until__gt=Now()))
            .first()
        )
        if row is None:
            raise KeyInUse(self.run_id)  # it went away this very moment: who tries again will see
        if not row.is_over:
            if bytes(row.digest) != self.digest:
                raise KeyReused
            if (answer := answer_in(row)) is not None:
                return answer
            if row.is_leased or self._is_held(row.run_id):
                raise KeyInUse(row.run_id)
        if not self._take_over(row):
            raise KeyInUse(row.run_id)
        return None

    def _take_over(self, row: IdempotentAnswer) -> bool:
        unchanged = IdempotentAnswer.objects.filter(id=row.id, run_id=row.run_id, leased_until=row.leased_until)
        taken = unchanged.update(
            digest=self.digest,
            run_id=self.run_id,
            leased_until=Now() + LEASE,
            status=None,
            headers=[],
            body=None,
            expires_at=Now() + self.keeping,
        )
        return taken > 0

    def _prolong(self) -> None:
        self._own().update(leased_until=Now() + LEASE, expires_at=Now() + self.keeping)

    def _keep(self, answer: Answer) -> None:
        self._own().update(
            status=answer.status,
            headers=list(answer.headers),
            body=answer.body,
            leased_until=None,
            expires_at=Now() + self.keeping,
        )

    def _let_go(self) -> None:
        self._own().update(leased_until=Now())

    def _is_awaited(self) -> bool:
        return self._own().filter(awaited_until__gt=Now()).exists()

    def _keep_if_charged(self, answer: Answer) -> None:
        with organization_context(self._payer_id):
            is_charged = bool(billing.charged_for_runs(self._payer_id, [self.run_id])) or billing.is_held(self.run_id)
        if is_charged:
            self._keep(answer)
        else:
            self._own().delete()

    def _is_held(self, run_id: UUID) -> bool:
        with organization_context(self._payer_id):
            return billing.is_held(run_id)

    @cached_property
    def _payer_id(self) -> UUID:
        """In whose books the run stands."""
        if self.payment_token is None:
            return self.caller.organization_id
        try:
            return tokens.recognise(self.payment_token.reveal()).organization_id
        except TokenInvalid:
            return self.caller.organization_id

    def _own(self) -> QuerySet[IdempotentAnswer]:
        return IdempotentAnswer.objects.filter(key=self.key, run_id=self.run_id, status__isnull=True)
