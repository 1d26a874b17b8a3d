"""Asking a member before something is done that cannot be undone, and what the member says."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from agents.errors import ApprovalNotFound, ApprovalOver
from agents.models import Approval
from agents.models.approval import ApprovalState
from tenants import audit, notify
from tenants.context import atomic, organization_context, platform_context

TOPIC = "approval"
STATES = tuple(ApprovalState.values)
MOST_SHOWN = 8
ARGUMENTS_CHARACTERS = 16_000
REASON_CHARACTERS = 2_000


def ask(
    *, organization_id: UUID, agent_id: UUID, agent_slug: str, run_id: UUID, tool: str, arguments: str, reason: str,
    lasts: timedelta,
) -> UUID:  # fmt: skip
    """Put a question to the agent's organization; answers its id."""
    now = timezone.now()
    with organization_context(organization_id):
        asked = Approval.objects.create(
            organization_id=organization_id,
            agent_id=agent_id,
            agent_slug=agent_slug,
            run_id=run_id,
            tool=tool[:64],
            arguments=arguments[:ARGUMENTS_CHARACTERS],
            reason=reason[:REASON_CHARACTERS],
            asked_at=now,
            expires_at=now + lasts,
        )
    return UUID(str(asked.id))


def state_of(approval_id: UUID, *, organization_id: UUID) -> str:
    """How far a question got."""
    with organization_context(organization_id):
        return str(Approval.objects.values_list("state", flat=True).get(id=approval_id))


def give_up(approval_id: UUID, *, organization_id: UUID) -> None:
    """Nobody waits for an answer any more; one that was given stays."""
    with organization_context(organization_id):
        Approval.objects.filter(id=approval_id, state=ApprovalState.PENDING).update(
            state=ApprovalState.EXPIRED, decided_at=timezone.now()
        )


def find(approval_id: UUID) -> Approval | None:
    """A question of the current organization's."""
    return Approval.objects.filter(id=approval_id).first()


def page(*, state: str | None, after: UUID | None, limit: int) -> tuple[Sequence[Approval], bool]:
    """Questions of the current organization's, the latest first, from the one after `after` on; whether more follow."""
    rows = Approval.objects.order_by("-id")  # ids begin with the time
    rows = rows.filter(state=state) if state is not None else rows
    rows = rows.filter(id__lt=after) if after is not None else rows
    found = list(rows[: limit + 1])
    return found[:limit], len(found) > limit


def waiting() -> Sequence[Approval]:
    """The questions of the current organization's that wait for an answer, the most urgent first."""
    pending = Approval.objects.filter(state=ApprovalState.PENDING, expires_at__gt=timezone.now())
    return list(pending.order_by("expires_at")[:MOST_SHOWN])


def decide(approval_id: UUID, *, approved: bool, user_id: int | None = None) -> Approval:
    """A member's word, in its own organization. Raises ApprovalNotFound, or ApprovalOver for what is decided."""
    state = ApprovalState.APPROVED if approved else ApprovalState.DECLINED
    now = timezone.now()
    with atomic():
        decided = Approval.objects.filter(id=approval_id, state=ApprovalState.PENDING, expires_at__gt=now).update(
            state=state, decided_at=now, decided_by_id=user_id
        )
        found = Approval.objects.filter(id=approval_id).first()
        if found is None:
            raise ApprovalNotFound
        if not decided:
            raise ApprovalOver(f"It is over: {found.get_state_display().lower()}.")
        audit.record(action=f"approval.{state}", object=found, organization_id=found.organization_id)
        notify.publish(TOPIC, str(approval_id))
    return found


def expire_forgotten() -> int:
    """End the questions of runs that were killed while they waited; how many."""
    with platform_context(reason="end questions that nobody answered"):
        return Approval.objects.filter(state=ApprovalState.PENDING, expires_at__lt=timezone.now()).update(
            state=ApprovalState.EXPIRED, decided_at=timezone.now()
        )
