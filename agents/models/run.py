"""The record of a run, written behind it; what it cost is settled by billing, not here."""

from typing import ClassVar

from django.db import models

from agents.models.agent import Agent
from agents.models.version import AgentVersion
from tenants.context import current_organization
from tenants.models import TenantModel


class RunStatus(models.TextChoices):
    """How far a run got."""

    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
    FAILED = "failed", "Failed"
    DISCONNECTED = "disconnected", "Caller left"
    CANCELLED = "cancelled", "Stopped by the platform"


class ServedManager(models.Manager["Run"]):
    """The runs of an organization's agents, whoever called. In the database a policy of its own lets them through."""

    def get_queryset(self) -> models.QuerySet["Run"]:
        """The runs of the current organization's agents."""
        return super().get_queryset().filter(agent_organization_id=current_organization(), agent__isnull=False)


class Run(TenantModel):
    """One execution of an agent. `organization` is the caller's. It pays, unless it was handed a payment token; the
    agent's own sees its part by a policy.

    Agents of others are not visible to the caller, so the address it used is kept as text. A call of an embedding model
    is a run as well: without an agent, and with the model in its address.
    """

    agent_organization_id = models.UUIDField(help_text="The organization whose agent ran.")
    agent = models.ForeignKey(Agent, models.PROTECT, null=True, related_name="runs", db_constraint=False)
    version = models.ForeignKey(AgentVersion, models.PROTECT, null=True, related_name="+", db_constraint=False)
    address = models.CharField(max_length=160, help_text="The agent's name, as the caller sees it.")
    model = models.CharField(max_length=200)
    key_id = models.UUIDField(null=True, help_text="The API key that called.")
    payment_token = models.CharField(
        max_length=12, blank=True, db_default="", default="", help_text="The public id of the token that paid, if any."
    )
    payer_id = models.UUIDField(null=True, help_text="The organization whose token paid, if any.")
    request_id = models.CharField(max_length=128)
    retry_of = models.UUIDField(
        null=True, help_text="The run of an earlier try of the same request, which its client's SDK sent again."
    )
    parent_id = models.UUIDField(
        null=True, help_text="The run that asked for this one, because its agent called this one, or passed on to it."
    )
    handed_by = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        default="",
        help_text="The agent that passed the conversation on to this one, if one did.",
    )
    trace_id = models.CharField(
        max_length=32,
        blank=True,
        db_default="",
        default="",
        help_text="The trace that it belongs to, in logs and elsewhere.",
    )
    status = models.CharField(max_length=12, choices=RunStatus.choices, default=RunStatus.RUNNING)
    finish_reason = models.CharField(max_length=16, blank=True)
    stopped_by = models.CharField(max_length=32, blank=True, help_text="What cut the run short, if anything.")
    error = models.CharField(max_length=64, blank=True, help_text="The name of what went wrong, if anything.")
    turns = models.PositiveSmallIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    cached_input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0)
    usage_source = models.CharField(max_length=10, blank=True, help_text="provider, counted or estimated.")
    cost_nanos = models.PositiveBigIntegerField(default=0, help_text="What the provider charges for it.")
    charged_nanos = models.PositiveBigIntegerField(default=0, help_text="What the caller paid.")
    test_mode = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    first_chunk_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    served = ServedManager()

    class Meta(TenantModel.Meta):
        ordering = ("-started_at",)
        default_manager_name = "objects"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("organization", "id"), name="agents_run_organization_id"),
            models.CheckConstraint(condition=models.Q(status__in=RunStatus.values), name="agents_run_status_known"),
            models.CheckConstraint(
                condition=models.Q(status=RunStatus.RUNNING) | models.Q(ended_at__isnull=False),
                name="agents_run_ended_or_running",
            ),
            models.CheckConstraint(
                condition=models.Q(agent__isnull=True, version__isnull=True)
                | models.Q(agent__isnull=False, version__isnull=False),
                name="agents_run_of_an_agent_or_none",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=("organization", "-started_at"), name="agents_run_recent"),
            models.Index(fields=("organization", "key_id"), name="agents_run_of_key"),
            models.Index(fields=("agent_organization_id", "agent", "-started_at"), name="agents_run_of_agent"),
            models.Index(
                fields=("organization", "parent_id"),
                name="agents_run_of_run",
                condition=models.Q(parent_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class RunContent(TenantModel):
    """What was said in a run, where its agent keeps that. `id` is the run's; only the caller's organization sees it."""

    end_user = models.CharField(max_length=256, blank=True)
    conversation_id = models.CharField(max_length=256, blank=True)
    messages = models.JSONField(default=list, help_text="What the caller sent.")
    reply = models.TextField(blank=True, help_text="The text that was answered.")

    class Meta(TenantModel.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("organization", "id"), name="agents_content_organization_id"),
        ]

    def __str__(self) -> str:
        return str(self.id)
