"""Somebody's yes or no to what a run wants to do."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from tenants.models import TenantModel


class ApprovalState(models.TextChoices):
    """How far the question got; from pending it moves once."""

    PENDING = "pending", "Waiting"
    APPROVED = "approved", "Approved"
    DECLINED = "declined", "Declined"
    EXPIRED = "expired", "Nobody decided"


class Approval(TenantModel):
    """A call of a tool that waits for a member of the agent's own organization. Its run waits with it."""

    agent_id = models.UUIDField(help_text="The agent that asks.")
    agent_slug = models.CharField("agent", max_length=64)
    run_id = models.UUIDField(help_text="The run that waits.")
    tool = models.CharField(max_length=64)
    arguments = models.TextField(blank=True, help_text="What the tool is called with, as JSON; cut if it is long.")
    reason = models.TextField(blank=True, help_text="Why somebody is asked.")
    state = models.CharField(max_length=8, choices=ApprovalState.choices, default=ApprovalState.PENDING)
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta(TenantModel.Meta):
        ordering = ("-asked_at",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("organization", "id"), name="agents_approval_organization_id"),
            models.CheckConstraint(
                condition=models.Q(state__in=ApprovalState.values), name="agents_approval_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state=ApprovalState.PENDING, decided_at__isnull=True)
                | (~models.Q(state=ApprovalState.PENDING) & models.Q(decided_at__isnull=False)),
                name="agents_approval_decided_or_pending",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=("organization", "expires_at"),
                name="agents_approval_pending",
                condition=models.Q(state=ApprovalState.PENDING),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool} of {self.agent_slug}"

    @property
    def is_waiting(self) -> bool:
        """Whether its run still waits for an answer."""
        return self.state == ApprovalState.PENDING and self.expires_at > timezone.now()
