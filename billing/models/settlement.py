"""Settlements: the one end of a hold that costs something."""

from django.db import models
from django.db.models import F, Q

from tenants.models.tenant import TenantManager


class Settlement(models.Model):
    """What a hold came to: what was asked (cost, markup, fee), what was charged, and who got it.

    `reserved` is what the hold had set aside (nothing, if it had expired), `overrun` what the wallet gave beyond that,
    which is for the platform's own cost alone. When both do not suffice the creator's share is cut first, then the
    platform's fee; the provider's cost that nobody paid is `loss`.
    """

    hold = models.OneToOneField(
        "billing.Hold", models.PROTECT, primary_key=True, related_name="settlement", db_constraint=False
    )
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    beneficiary = models.ForeignKey("tenants.Organization", models.PROTECT, null=True, related_name="+", db_index=False)
    platform_credential = models.BooleanField()
    source = models.CharField(max_length=12, help_text="Who measured the usage.")
    late = models.BooleanField()
    cost = models.PositiveBigIntegerField()
    markup = models.PositiveBigIntegerField()
    fee = models.PositiveBigIntegerField()
    reserved = models.PositiveBigIntegerField()
    overrun = models.PositiveBigIntegerField()
    charged = models.PositiveBigIntegerField()
    creator_share = models.PositiveBigIntegerField()
    platform_share = models.PositiveBigIntegerField()
    loss = models.PositiveBigIntegerField()
    number = models.BigIntegerField(
        unique=True,
        db_default=models.Func(models.Value("billing_settlement_number"), function="nextval"),
        help_text="In the order in which they were begun.",
    )
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(charged=F("creator_share") + F("platform_share")), name="settlement_shares_are_the_charge"
            ),
            models.CheckConstraint(
                condition=Q(charged__lte=F("cost") + F("markup") + F("fee")), name="settlement_never_above_its_price"
            ),
            models.CheckConstraint(
                condition=Q(charged__lte=F("reserved") + F("overrun")), name="settlement_within_its_means"
            ),
            models.CheckConstraint(
                condition=Q(loss__lte=F("cost")) & (Q(platform_credential=True) | Q(loss=0)),
                name="settlement_loss_is_unpaid_cost",
            ),
            models.CheckConstraint(
                condition=Q(source__in=("provider", "counted", "checkpoint", "estimated")),
                name="settlement_source_known",
            ),
        )
        indexes = (models.Index(fields=("created_at",), name="settlement_by_time"),)

    def __str__(self) -> str:
        return f"Settlement of {self.hold_id}"
