"""Telling the next try of a request, which an SDK sends by itself and without a key, the answer to the one before.

A try is written down only when its client left before it was sent a byte, or when another try asks for its answer.
It is found by what it asks for. Of several the one that nobody waits for comes first: whoever asks for the same thing
several times at once, and tries each again, is told several answers.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from agents.models import IdempotentAnswer
from agents.services.idempotency import Answer, Claim, answer_in
from agents.services.on_behalf import on_behalf_of
from tenants.caller import Caller
from tenants.context import alias
from tenants.secret import Secret

AWAITED_S = 3.0
"""Who waits says so all the time; a process that was killed says no more."""
LOOK_AGAIN_S = 0.2

_OURS = "\t"
"""No key of a client's begins with it."""

_JOIN = """
    UPDATE agents_idempotentanswer SET awaited_until = now() + %s WHERE id = (
        SELECT id FROM agents_idempotentanswer
         WHERE organization_id = %s AND digest = %s AND starts_with(key, %s) AND expires_at > now()
           AND (status IS NOT NULL OR leased_until > now())
         ORDER BY coalesce(awaited_until, '-infinity'), id DESC LIMIT 1 FOR UPDATE {patience})
    RETURNING run_id
"""


def claim_of_try(*, caller: Caller, digest: bytes, run_id: UUID, payment_token: Secret | None) -> Claim:
    """The claim by which a try is written down."""
    return Claim(
        caller=caller,
        key=f"{_OURS}{run_id}",
        digest=digest,
        run_id=run_id,
        payment_token=payment_token,
        keeping=timedelta(seconds=settings.ROBUTLER.retry_window_s),
    )


@dataclass(frozen=True, kw_only=True)
class Retry:
    """A request that its SDK sends again."""

    caller: Caller
    digest: bytes

    async def join(self) -> UUID | None:
        """The run that answers an earlier try, or has answered it; it goes on as long as somebody waits for it."""
        return await on_behalf_of(self.caller, self._join)

    async def answer(self, run_id: UUID) -> Answer | None:
        """Wait for the answer of a run that was joined. None if there will be none."""
        while True:
            is_alive, answer = await on_behalf_of(self.caller, self._look, run_id)
            if answer is not None or not is_alive:
                return answer
            await asyncio.sleep(LOOK_AGAIN_S)

    async def leave(self, run_id: UUID, *, back_within_s: float) -> None:
        """Wait no longer; the next try may come within so long."""
        await on_behalf_of(self.caller, self._await, run_id, back_within_s)

    async def latest(self) -> UUID | None:
        """The run of the latest try that was written down, whatever became of it."""
        return await on_behalf_of(self.caller, self._latest)

    def _join(self) -> UUID | None:
        values: list[Any] = [timedelta(seconds=AWAITED_S), self.caller.organization_id, self.digest, _OURS]
        with connections[alias()].cursor() as cursor:
            # What another one joins this very moment is taken only if there is nothing else.
            for patience in ("SKIP LOCKED", ""):
                cursor.execute(_JOIN.format(patience=patience), values)
                if (found := cursor.fetchone()) is not None:
                    return UUID(str(found[0]))
        return None

    def _look(self, run_id: UUID) -> tuple[bool, Answer | None]:
        """Whether it is being answered, and the answer if it has been."""
        self._await(run_id, AWAITED_S)
        row = self._tries(run_id).annotate(is_leased=Q(leased_until__gt=Now())).first()
        return (False, None) if row is None else (bool(row.is_leased), answer_in(row))

    def _await(self, run_id: UUID, seconds: float) -> None:
        self._tries(run_id).update(awaited_until=Now() + timedelta(seconds=seconds))

    def _tries(self, run_id: UUID) -> QuerySet[IdempotentAnswer]:
        return IdempotentAnswer.objects.filter(key=f"{_OURS}{run_id}")

    def _latest(self) -> UUID | None:
        written = IdempotentAnswer.objects.filter(
            digest=self.digest, key__startswith=_OURS, expires_at__gt=Now()
        ).order_by("-id")
        return written.values_list("run_id", flat=True).first()
