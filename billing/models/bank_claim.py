"""Claims of banks: payments by card that their banks want back, until the books say so too."""

from django.db import models
from django.db.models import Q


class BankClaim(models.Model):
    """A bank's claim on a card payment, kept from the first word of it. Its id is that of the chargeback it becomes.

    It stays open, and is asked about again and again, until it is booked, takes nothing after all, or somebody has
    explained it. Like the messages of gateways it belongs to no organization.
    """

    class State(models.TextChoices):
        """Whether anything is left to do about it."""

        OPEN = "open", "Not in the books"
        BOOKED = "booked", "Booked"
        DROPPED = "dropped", "Takes nothing"
        EXPLAINED = "explained", "Explained"

    id = models.UUIDField(primary_key=True)
    rail = models.CharField(max_length=16)
    external_id = models.CharField(max_length=200)
    top_up = models.ForeignKey(
        "billing.TopUp", models.PROTECT, null=True, related_name="+", help_text="The payment, where it was credited."
    )
    amount = models.PositiveBigIntegerField(null=True, help_text="Nanodollars; none in another currency.")
    reason = models.CharField(max_length=200, db_default="", default="")
    state = models.CharField(max_length=10, choices=State, db_default="open", default="open")
    outcome = models.CharField(max_length=32, db_default="", default="", help_text="What the last attempt came to.")
    looks = models.PositiveIntegerField(db_default=0, default=0)
    next_look_at = models.DateTimeField(db_default=models.functions.Now())
    received_at = models.DateTimeField(db_default=models.functions.Now())
    explanation = models.CharField(max_length=500, db_default="", default="")
    explained_by = models.CharField(max_length=254, db_default="", default="")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "bank's claim"
        verbose_name_plural = "banks' claims"
        constraints = (
            models.CheckConstraint(
                condition=Q(state="open", ended_at__isnull=True)
                | Q(state__in=("booked", "dropped", "explained"), ended_at__isnull=False),
                name="bank_claim_ended_at_its_end",
            ),
            models.CheckConstraint(
                condition=Q(state="explained") ^ Q(explanation="", explained_by=""),
                name="bank_claim_explained_by_somebody",
            ),
            models.UniqueConstraint(fields=("rail", "external_id"), name="bank_claim_once"),
        )
        indexes = (models.Index(fields=("next_look_at",), name="bank_claim_open", condition=Q(state="open")),)

    def __str__(self) -> str:
        return f"{self.rail} {self.external_id}"
