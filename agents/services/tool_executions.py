"""The rows of tools that workers carry out: asked for, taken up under a lease, ended once, swept when a worker dies.

Whoever works on one knows the row's fence: once it was taken for dead, its word does not count any more.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from agents.errors import ToolExecutionNotFound, ToolExecutionOver, TooManyToolExecutions
from agents.models import ToolExecution
from agents.models.tool_execution import OPEN_STATES, ToolState
from agents.runtime.whole import whole
from skills.sdk.context import Progress
from tenants import audit, notify
from tenants.context import alias, atomic, organization_context, platform_context

TOPIC = "tool"
TASK = "agents.tasks.execute_tool"
STATES = tuple(ToolState.values)
SWEPT_AT_ONCE = 200
SEND_AGAIN_S = 20.0
"""A call that waits longer may have been forgotten by the broker; to be told of it twice does no harm."""
ARGUMENTS_BYTES = 256_000

_log = logging.getLogger(__name__)

LOST = "The worker that carried this out died, and nobody knows whether it was done. Do not just do it again."
LOST_TOO_OFTEN = "Each worker that tried this died. It was given up."
NOBODY_CAME = "No worker was free for this in time."
CANCELLED = "This was cancelled."


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A call that a worker is to carry out, and everything the worker has to know of it."""

    organization_id: UUID
    agent_organization_id: UUID
    agent_id: UUID
    agent_slug: str
    version_id: UUID
    run_id: UUID
    call_id: str
    tool: str
    arguments: str
    caller: Mapping[str, Any]
    idempotent: bool
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How it ended on a worker. `credits` is what the call costs, where it has a price."""

    state: ToolState
    content: Any = None
    credits: Decimal | None = None
    reason: str = ""
    error: str = ""


def ask(asked: Asked) -> UUID:
    """Queue a call; answers its id. Raises TooManyToolExecutions."""
    environment, now = settings.ROBUTLER, timezone.now()
    with organization_context(asked.organization_id), atomic():
        if ToolExecution.objects.filter(state__in=OPEN_STATES).count() >= environment.background_tools:
            raise TooManyToolExecutions
        row = ToolExecution.objects.create(
            **vars(asked),
            queued_at=now,
            expires_at=now + timedelta(seconds=environment.background_wait_s),
        )
        _send_when_committed(row)
    return UUID(str(row.pk))


def find(execution_id: UUID) -> ToolExecution | None:
    """One of the current organization's."""
    return ToolExecution.objects.filter(pk=execution_id).first()


def look(execution_id: UUID, *, organization_id: UUID) -> ToolExecution:
    """How far it is; whoever waits for it also notices that its worker died."""
    with organization_context(organization_id):
        row = ToolExecution.objects.get(pk=execution_id)
        if _is_lost(row):
            _rescue(row)
            row.refresh_from_db()
        return row


def page(*, state: str | None, after: UUID | None, limit: int) -> tuple[Sequence[ToolExecution], bool]:
    """Those of the current organization, the latest first, from the one after `after` on; whether more follow."""
    rows = ToolExecution.objects.order_by("-id")  # ids begin with the time
    rows = rows.filter(state=state) if state is not None else rows
    rows = rows.filter(id__lt=after) if after is not None else rows
    found = list(rows[: limit + 1])
    return found[:limit], len(found) > limit


def take_up(execution_id: UUID) -> ToolExecution | None:
    """Take a queued one up, in its organization; None when it was taken, cancelled, or nobody waits for it."""
    now = timezone.now()
    queued = ToolExecution.objects.filter(pk=execution_id, state=ToolState.QUEUED, expires_at__gt=now)
    with atomic():
        taken = queued.update(state=ToolState.RUNNING, fence=F("fence") + 1, lease_until=_lease(), started_at=now)
        return ToolExecution.objects.get(pk=execution_id) if taken else None


def beat(row: ToolExecution, progress: Progress | None) -> bool:
    """Stay its worker, and say how far it is; False when it is not this worker's any more."""
    said = _said(progress)
    with atomic():
        is_ours = bool(_ours(row).update(lease_until=_lease(), **said))
        if is_ours and said:
            notify.publish(TOPIC, str(row.pk))
    return is_ours


def end(row: ToolExecution, outcome: Outcome, progress: Progress | None) -> bool:
    """Say how it ended; False when that does not count, because it is not this worker's any more."""
    return _end(_ours(row), row.pk, **vars(outcome), **_said(progress))


def give_up_waiting(execution_id: UUID, *, organization_id: UUID) -> None:
    """Nobody waits for it any more: what no worker took up is not begun; what works goes on, and is kept."""
    with organization_context(organization_id):
        queued = ToolExecution.objects.filter(pk=execution_id, state=ToolState.QUEUED)
        _end(queued, execution_id, state=ToolState.CANCELLED, error=CANCELLED)


def cancel(execution_id: UUID) -> ToolExecution:
    """Stop one of the current organization's. Raises ToolExecutionNotFound, ToolExecutionOver for one that ended."""
    with atomic():
        stopped = _end(
            ToolExecution.objects.filter(pk=execution_id, state__in=OPEN_STATES),
            execution_id, state=ToolState.CANCELLED, error=CANCELLED,
        )  # fmt: skip
        found = find(execution_id)
        if found is None:
            raise ToolExecutionNotFound
        if not stopped:
            raise ToolExecutionOver(f"It is over: {found.get_state_display().lower()}.")
        audit.record(action="tool_execution.cancelled", object=found, organization_id=found.organization_id)
    return found


def sweep() -> int:
    """See to all whose worker died or never came; how many."""
    with platform_context(reason="see to tools whose workers died"):
        lost = list(ToolExecution.objects.filter(_lost()).order_by("lease_until")[:SWEPT_AT_ONCE])
    for row in lost:
        with organization_context(row.organization_id):
            _rescue(row)
    forgotten = timezone.now() - timedelta(seconds=SEND_AGAIN_S)
    with platform_context(reason="tell workers again of tools that wait"):
        waiting = list(ToolExecution.objects.filter(state=ToolState.QUEUED, queued_at__lt=forgotten)[:SWEPT_AT_ONCE])
    for row in waiting:
        _send(row)
    return len(lost)


def purge() -> int:
    """Remove what ended long ago; how many."""
    until = timezone.now() - timedelta(days=settings.ROBUTLER.background_days)
    with platform_context(reason="remove what tools returned long ago"):
        return ToolExecution.objects.filter(ended_at__lt=until).delete()[0]


def _said(progress: Progress | None) -> Mapping[str, Any]:
    return whole(vars(progress)) if progress else {}


def _lost() -> Q:
    now = timezone.now()
    return Q(state=ToolState.RUNNING, lease_until__lt=now) | Q(state=ToolState.QUEUED, expires_at__lt=now)


def _is_lost(row: ToolExecution) -> bool:
    until = row.lease_until if row.state == ToolState.RUNNING else row.expires_at
    return row.state in OPEN_STATES and until is not None and until < timezone.now()


def _rescue(row: ToolExecution) -> None:
    """Begin again what does no harm; of the rest, say that nobody knows. Whoever is second to come does nothing."""
    still = ToolExecution.objects.filter(pk=row.pk, fence=row.fence, state=row.state).filter(_lost())
    if row.state == ToolState.QUEUED:
        _end(still, row.pk, state=ToolState.EXPIRED, error=NOBODY_CAME)
    elif not row.idempotent:
        _end(still, row.pk, state=ToolState.OUTCOME_UNKNOWN, error=LOST)
    elif row.fence >= settings.ROBUTLER.background_attempts:
        _end(still, row.pk, state=ToolState.FAILED, error=LOST_TOO_OFTEN)
    else:
        until = timezone.now() + timedelta(seconds=settings.ROBUTLER.background_wait_s)
        with atomic():
            if still.update(state=ToolState.QUEUED, lease_until=None, expires_at=until):
                _send_when_committed(row)


def _end(rows: "QuerySet[ToolExecution]", id: UUID, **outcome: Any) -> bool:
    with atomic():
        is_ended = bool(rows.update(ended_at=timezone.now(), lease_until=None, **outcome))
        if is_ended:
            notify.publish(TOPIC, str(id))
    return is_ended


def _ours(row: ToolExecution) -> "QuerySet[ToolExecution]":
    return ToolExecution.objects.filter(pk=row.pk, fence=row.fence, state=ToolState.RUNNING)


def _lease() -> Any:
    return timezone.now() + timedelta(seconds=settings.ROBUTLER.background_lease_s)


def _send_when_committed(row: ToolExecution) -> None:
    transaction.on_commit(lambda: _send(row), using=alias())


def _send(row: ToolExecution) -> None:
    """A message that is lost costs time, not the call: the row says that it waits, and is sent again."""
    send: Callable[..., None] = import_string(settings.TASK_SENDER)
    try:
        send(TASK, queue="tools", organization_id=str(row.organization_id), execution_id=str(row.pk))
    except OSError as error:
        _log.warning("No worker was told of %s yet: %s", row.pk, type(error).__name__)
