"""Refunds: money of a settlement that goes back to whom it was charged."""

from django.db import models
from django.db.models import F, Q

from billing.rating import MOST_NANOS
from tenants.models.tenant import TenantManager


class Refund(models.Model):
    """A part of what a settlement charged, given back once.

    With clawback each side returns its part, in the proportion in which they had shared the charge: the creator out of
    what was not paid out yet, and beyond that as a debt that the next payout is lessened by. Without it the creator
    keeps everything and the platform pays. Above a limit a second person has to approve.
    """

    class Reason(models.TextChoices):
        """Why money goes back."""

        QUALITY = "quality", "The answer was no good"
        FAULT = "fault", "A fault of the platform"
        DUPLICATE = "duplicate", "Charged for the same work twice"
        FRAUD = "fraud", "Somebody else spent it"
        DISPUTE = "dispute", "The customer disputes it"
        GOODWILL = "goodwill", "Goodwill"

    class State(models.TextChoices):
        """Waiting for a second person, or how it ended."""

        REQUESTED = "requested", "Awaits approval"
        MADE = "made", "Made"
        REJECTED = "rejected", "Rejected"

    id = models.UUIDField(primary_key=True, help_text="Chosen by the caller: it is the idempotency key.")
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    settlement = models.ForeignKey(
        "billing.Settlement", models.PROTECT, related_name="refunds", db_constraint=False, db_column="hold_id"
    )
    amount = models.PositiveBigIntegerField(help_text="Nanodollars.")
    clawback = models.BooleanField(help_text="Whether the creator returns its part.")
    reason = models.CharField(max_length=12, choices=Reason)
    note = models.CharField(max_length=200)
    state = models.CharField(max_length=12, choices=State)
    requested_by = models.CharField(max_length=254)
    requested_at = models.DateTimeField(db_default=models.functions.Now())
    alone_up_to = models.PositiveBigIntegerField(help_text="What one person may give back alone. Nanodollars.")
    decided_by = models.CharField(max_length=254, db_default="", default="")
    decided_at = models.DateTimeField(null=True)
    from_earnings = models.PositiveBigIntegerField(db_default=0, default=0)
    from_clawback = models.PositiveBigIntegerField(db_default=0, default=0)
    group = models.OneToOneField(
        "billing.TransferGroup", models.PROTECT, null=True, related_name="refund", db_constraint=False
    )

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0, amount__lte=MOST_NANOS), name="refund_amount_bounded"),
            models.CheckConstraint(
                condition=Q(reason__in=("quality", "fault", "duplicate", "fraud", "dispute", "goodwill")),
                name="refund_reason_known",
            ),
            models.CheckConstraint(
                condition=Q(state="requested", decided_at__isnull=True, group__isnull=True)
                | Q(state="rejected", decided_at__isnull=False, group__isnull=True)
                | Q(state="made", decided_at__isnull=False, group__isnull=False),
                name="refund_group_of_state",
            ),
            models.CheckConstraint(
                condition=~Q(state="made") | Q(amount__lte=F("alone_up_to")) | ~Q(decided_by=F("requested_by")),
                name="refund_by_two_people",
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=F("from_earnings") + F("from_clawback"))
                & (Q(clawback=True) | Q(from_earnings=0, from_clawback=0)),
                name="refund_creators_part_within",
            ),
            models.UniqueConstraint(fields=("organization", "id"), name="refund_organization_id"),
        )
        indexes = (models.Index(fields=("organization", "-requested_at"), name="refund_by_organization"),)

    def __str__(self) -> str:
        return f"Refund {self.id}"
