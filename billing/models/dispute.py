"""Disputes: charges that whoever paid them does not agree with."""

from django.db import models
from django.db.models import Q

from tenants.models.tenant import TenantManager


class Dispute(models.Model):
    """A payer's word against a charge, decided once: by a refund of that charge, however it came about, or by a no.

    A charge has at most one open dispute. `answer` is what the payer is told.
    """

    class Reason(models.TextChoices):
        """What is wrong with the charge."""

        QUALITY = "quality", "The answer was no good"
        FAULT = "fault", "Something went wrong"
        DUPLICATE = "duplicate", "Charged for the same work twice"
        FRAUD = "fraud", "Somebody else spent it"
        OTHER = "other", "Something else"

    class State(models.TextChoices):
        """Whether it was decided."""

        OPEN = "open", "Open"
        REFUNDED = "refunded", "Refunded"
        REJECTED = "rejected", "Rejected"

    id = models.UUIDField(primary_key=True)
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    settlement = models.ForeignKey(
        "billing.Settlement", models.PROTECT, related_name="disputes", db_constraint=False, db_column="hold_id"
    )
    reason = models.CharField(max_length=12, choices=Reason)
    note = models.CharField(max_length=500, db_default="", default="")
    state = models.CharField(max_length=10, choices=State, db_default="open", default="open")
    opened_by = models.CharField(max_length=254)
    opened_at = models.DateTimeField(db_default=models.functions.Now())
    answer = models.CharField(max_length=500, db_default="", default="")
    decided_by = models.CharField(max_length=254, db_default="", default="")
    decided_at = models.DateTimeField(null=True)
    refund = models.OneToOneField(
        "billing.Refund", models.PROTECT, null=True, related_name="dispute", db_constraint=False
    )

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(reason__in=("quality", "fault", "duplicate", "fraud", "other")),
                name="dispute_reason_known",
            ),
            models.CheckConstraint(
                condition=Q(state="open", decided_at__isnull=True, refund__isnull=True)
                | Q(state="refunded", decided_at__isnull=False, refund__isnull=False)
                | (Q(state="rejected", decided_at__isnull=False, refund__isnull=True) & ~Q(answer="")),
                name="dispute_decided_at_its_end",
            ),
            models.UniqueConstraint(fields=("settlement",), condition=Q(state="open"), name="dispute_one_open"),
            models.UniqueConstraint(fields=("organization", "id"), name="dispute_organization_id"),
        )
        indexes = (models.Index(fields=("organization", "-opened_at"), name="dispute_by_organization"),)

    def __str__(self) -> str:
        return f"Dispute {self.id}"

    @property
    def refunded(self) -> int:
        """What was given back. Nanodollars."""
        return self.refund.amount if self.refund else 0
