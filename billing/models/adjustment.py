"""Adjustments: movements that people post, to correct what others did."""

from django.db import models
from django.db.models import F, Q

from billing.rating import MOST_NANOS


class Adjustment(models.Model):
    """A movement entered by a person: free, as the reversal of a group, a write-off, or a chargeback.

    Nothing is edited by it. A reversal takes back every line of `reverses`; the others name two accounts. Above a limit
    a second person has to approve, except a chargeback, which the outside world has decided.
    """

    class Kind(models.TextChoices):
        """What kind of correction."""

        ADJUSTMENT = "adjustment", "Adjustment"
        REVERSAL = "reversal", "Reversal"
        WRITE_OFF = "write_off", "Write-off"
        CHARGEBACK = "chargeback", "Chargeback"

    class State(models.TextChoices):
        """Waiting for a second person, or how it ended."""

        REQUESTED = "requested", "Awaits approval"
        MADE = "made", "Posted"
        REJECTED = "rejected", "Rejected"

    id = models.UUIDField(primary_key=True, help_text="Chosen by the caller: it is the idempotency key.")
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, null=True, related_name="+", help_text="None between platform accounts."
    )
    kind = models.CharField(max_length=12, choices=Kind)
    debit = models.ForeignKey("billing.Account", models.PROTECT, null=True, related_name="+", db_index=False)
    credit = models.ForeignKey("billing.Account", models.PROTECT, null=True, related_name="+", db_index=False)
    reverses = models.ForeignKey("billing.TransferGroup", models.PROTECT, null=True, related_name="+")
    top_up = models.ForeignKey(
        "billing.TopUp", models.PROTECT, null=True, related_name="+", help_text="What was charged back."
    )
    amount = models.PositiveBigIntegerField(help_text="Nanodollars.")
    reason = models.CharField(max_length=200)
    ticket = models.CharField(max_length=64, help_text="Where the matter is written up.")
    state = models.CharField(max_length=12, choices=State)
    requested_by = models.CharField(max_length=254)
    requested_at = models.DateTimeField(db_default=models.functions.Now())
    alone_up_to = models.PositiveBigIntegerField(help_text="What one person may post alone. Nanodollars.")
    decided_by = models.CharField(max_length=254, db_default="", default="")
    decided_at = models.DateTimeField(null=True)
    group = models.OneToOneField(
        "billing.TransferGroup", models.PROTECT, null=True, related_name="adjustment", db_constraint=False
    )

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0, amount__lte=MOST_NANOS), name="adjustment_amount_bounded"),
            models.CheckConstraint(
                condition=Q(kind="reversal", reverses__isnull=False, debit__isnull=True, credit__isnull=True)
                | Q(kind__in=("adjustment", "write_off", "chargeback"), reverses__isnull=True, debit__isnull=False)
                & Q(credit__isnull=False),
                name="adjustment_of_its_kind",
            ),
            models.CheckConstraint(
                condition=Q(debit__isnull=True) | ~Q(debit=F("credit")), name="adjustment_between_two_accounts"
            ),
            models.CheckConstraint(
                condition=Q(state="requested", decided_at__isnull=True, group__isnull=True)
                | Q(state="rejected", decided_at__isnull=False, group__isnull=True)
                | Q(state="made", decided_at__isnull=False, group__isnull=False),
                name="adjustment_group_of_state",
            ),
            models.CheckConstraint(
                condition=~Q(state="made")
                | Q(kind="chargeback")
                | Q(amount__lte=F("alone_up_to"))
                | ~Q(decided_by=F("requested_by")),
                name="adjustment_by_two_people",
            ),
            models.UniqueConstraint(fields=("organization", "id"), name="adjustment_organization_id"),
        )
        indexes = (models.Index(fields=("organization", "-requested_at"), name="adjustment_by_organization"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
