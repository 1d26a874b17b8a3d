"""Charges: one billable unit of work each."""

from django.db import models
from django.db.models import Q

from tenants.models.tenant import TenantManager


class Charge(models.Model):
    """What an organization is asked to pay for: a run, a tool's call, an agent's, a handoff.

    It is written in the transaction of its hold. A run may have many. Who asked for it (a key, an end user, a payment
    token) is kept because budgets are theirs; their rows are not ours, so these are no references.
    """

    class Kind(models.TextChoices):
        """What is charged for."""

        RUN = "run", "Run"
        TOOL = "tool", "Tool"
        AGENT = "agent", "Agent"
        HANDOFF = "handoff", "Handoff"
        TOKEN = "token", "Payment token"

    class Status(models.TextChoices):
        """How far it is. Everything but `authorized` is an end; a late settlement may still correct `orphaned`."""

        AUTHORIZED = "authorized", "Authorized"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"
        DISCONNECTED = "disconnected", "Disconnected"
        CANCELLED = "cancelled", "Cancelled"
        ORPHANED = "orphaned", "Orphaned"

    id = models.UUIDField(primary_key=True, help_text="Chosen by the caller: it is the idempotency key.")
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, related_name="+", db_index=False, help_text="Who pays."
    )
    run_id = models.UUIDField(db_index=True)
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="children", db_constraint=False, db_index=False
    )
    kind = models.CharField(max_length=8, choices=Kind)
    status = models.CharField(max_length=12, choices=Status)
    reference = models.CharField(max_length=200)
    agent_id = models.UUIDField(null=True)
    key_id = models.UUIDField(null=True)
    end_user = models.CharField(max_length=256, db_default="", default="")
    token_id = models.UUIDField(null=True)
    beneficiary = models.ForeignKey(
        "tenants.Organization",
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Who earns the markup.",
    )
    price_version = models.ForeignKey("billing.PriceVersion", models.PROTECT, null=True, related_name="+")
    platform_credential = models.BooleanField(help_text="Whether the platform's own key pays the provider.")
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 - null is "none given", '' would be a key
    finish_reason = models.CharField(max_length=32, db_default="", default="")
    started_at = models.DateTimeField(db_default=models.functions.Now())
    finished_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(kind__in=("run", "tool", "agent", "handoff", "token")), name="charge_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=("authorized", "finished", "failed", "disconnected", "cancelled", "orphaned"),
                ),
                name="charge_status_known",
            ),
            models.CheckConstraint(
                condition=Q(status="authorized", finished_at__isnull=True)
                | (~Q(status="authorized") & Q(finished_at__isnull=False)),
                name="charge_finished_at_its_end",
            ),
            models.UniqueConstraint(
                fields=("organization", "idempotency_key"),
                name="charge_idempotency_key",
                condition=Q(idempotency_key__isnull=False),
            ),
            models.UniqueConstraint(fields=("organization", "id"), name="charge_organization_id"),
        )
        indexes = (
            models.Index(fields=("organization", "-started_at", "-id"), name="charge_latest"),
            models.Index(fields=("parent",), name="charge_by_parent", condition=Q(parent__isnull=False)),
            models.Index(fields=("started_at",), name="charge_unfinished", condition=Q(status="authorized")),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"
