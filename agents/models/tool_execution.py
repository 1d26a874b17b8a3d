"""A call of a tool that a worker carries out."""

from typing import ClassVar

from django.db import models

from tenants.models import TenantModel


class ToolState(models.TextChoices):
    """How far the call is. It is queued and running, again if its worker died and that does no harm, and ends once."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Took too long"
    CANCELLED = "cancelled", "Cancelled"
    OUTCOME_UNKNOWN = "outcome_unknown", "Outcome unknown"


OPEN_STATES = (ToolState.QUEUED, ToolState.RUNNING)


class ToolExecution(TenantModel):
    """It belongs to whoever called the agent, as its run does. Who works on it holds a lease and knows its fence."""

    agent_organization_id = models.UUIDField(help_text="Whose agent it is.")
    agent_id = models.UUIDField()
    agent_slug = models.CharField("agent", max_length=64)
    version_id = models.UUIDField(help_text="The version of the agent that is carried out.")
    run_id = models.UUIDField(help_text="The run that asked for it.")
    call_id = models.CharField(max_length=128, help_text="The model's own name for the call.")
    tool = models.CharField(max_length=64)
    arguments = models.TextField(help_text="JSON.")
    caller = models.JSONField(help_text="What the tool may know of the caller, and how it is limited.")
    idempotent = models.BooleanField(help_text="Whether it does no harm to do it twice.")
    timeout_s = models.FloatField(help_text="How long it may work.")
    state = models.CharField(max_length=16, choices=ToolState.choices, default=ToolState.QUEUED)
    fence = models.IntegerField(default=0, help_text="Counts who took it up; an earlier one's word does not count.")
    lease_until = models.DateTimeField(null=True, help_text="Until when its worker is taken for alive.")
    queued_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="When nobody waits for it any more.")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    done = models.FloatField(null=True)
    total = models.FloatField(null=True)
    note = models.CharField(max_length=200, blank=True, help_text="How far it is, in its own words.")
    content = models.JSONField(null=True, help_text="What it returned.")
    credits = models.DecimalField(max_digits=30, decimal_places=18, null=True, help_text="What the call costs.")
    reason = models.CharField(max_length=200, blank=True, help_text="What that is for.")
    error = models.TextField(blank=True, help_text="What the model is told where it did not succeed.")

    class Meta(TenantModel.Meta):
        ordering = ("-queued_at",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("organization", "id"), name="agents_toolexecution_organization_id"),
            models.CheckConstraint(
                condition=models.Q(state__in=ToolState.values), name="agents_toolexecution_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=OPEN_STATES, ended_at__isnull=True)
                | (~models.Q(state__in=OPEN_STATES) & models.Q(ended_at__isnull=False)),
                name="agents_toolexecution_ended_or_open",
            ),
            models.CheckConstraint(
                condition=~models.Q(state=ToolState.RUNNING) | models.Q(lease_until__isnull=False),
                name="agents_toolexecution_running_is_leased",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=("state", "lease_until"),
                name="agents_toolexecution_open",
                condition=models.Q(state__in=OPEN_STATES),
            ),
            models.Index(fields=("organization", "run_id"), name="agents_toolexecution_of_run"),
        ]

    def __str__(self) -> str:
        return f"{self.tool} of {self.agent_slug}"
