"""Top-ups: money that comes into a wallet from outside."""

from django.db import models
from django.db.models import Q

from billing.rating import MOST_NANOS
from tenants.models.tenant import TenantManager


class TopUp(models.Model):
    """Money received for a wallet; `reference` says how it can be found outside."""

    id = models.UUIDField(primary_key=True, help_text="Chosen by the caller: it is the idempotency key.")
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    amount = models.PositiveBigIntegerField(help_text="Nanodollars.")
    rail = models.CharField(max_length=16, db_default="manual", default="manual")
    reference = models.CharField(max_length=200)
    actor = models.CharField(max_length=254)
    group = models.OneToOneField("billing.TransferGroup", models.PROTECT, related_name="top_up", db_constraint=False)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="top_up_amount_positive"),
            models.CheckConstraint(condition=Q(amount__lte=MOST_NANOS), name="top_up_amount_bounded"),
            models.CheckConstraint(condition=Q(rail__in=("manual",)), name="top_up_rail_known"),
            models.UniqueConstraint(fields=("organization", "id"), name="top_up_organization_id"),
        )

    def __str__(self) -> str:
        return f"Top-up {self.reference}"
