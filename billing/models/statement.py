"""Statements: what a wallet did in a month, closed for good."""

from django.db import models
from django.db.models import F, Q

from billing.models.payout import PERIOD
from tenants.models.tenant import TenantManager


class Statement(models.Model):
    """A month of a wallet, in the organization's own time zone: where it began, what moved it, where it ended.

    It holds the wallet's transfers after `after_transfer` up to `last_transfer`. It begins where the one before ended:
    the database ties its opening balance and its first transfer to the closing ones of `previous`.
    """

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    period = models.CharField(max_length=7, help_text="A month, such as 2026-11.")
    time_zone = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    previous = models.OneToOneField("self", models.PROTECT, null=True, related_name="next", db_constraint=False)
    after_transfer = models.PositiveBigIntegerField(db_default=0, default=0)
    last_transfer = models.PositiveBigIntegerField()
    transfers = models.PositiveIntegerField(help_text="How many.")
    opening = models.BigIntegerField(help_text="Nanodollars.")
    top_ups = models.BigIntegerField()
    grants = models.BigIntegerField()
    usage = models.BigIntegerField()
    refunds = models.BigIntegerField()
    expiries = models.BigIntegerField()
    adjustments = models.BigIntegerField()
    closing = models.BigIntegerField()
    closed_at = models.DateTimeField(db_default=models.functions.Now())

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(period__regex=PERIOD), name="statement_period_form"),
            models.CheckConstraint(
                condition=Q(
                    closing=F("opening")
                    + F("top_ups")
                    + F("grants")
                    - F("usage")
                    + F("refunds")
                    - F("expiries")
                    + F("adjustments")
                ),
                name="statement_adds_up",
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="statement_ends_after_its_start"),
            models.CheckConstraint(
                condition=Q(last_transfer__gte=F("after_transfer")), name="statement_transfers_in_order"
            ),
            models.CheckConstraint(
                condition=Q(previous__isnull=False) | Q(opening=0, after_transfer=0), name="statement_first_from_zero"
            ),
            models.UniqueConstraint(fields=("organization", "period"), name="statement_one_per_period"),
            models.UniqueConstraint(
                fields=("organization",), condition=Q(previous=None), name="statement_one_is_the_first"
            ),
            models.UniqueConstraint(
                fields=("organization", "id", "closing", "last_transfer", "ends_at"), name="statement_what_it_ends_with"
            ),
        )

    def __str__(self) -> str:
        return f"Statement of {self.period}"


class StatementFile(models.Model):
    """A statement as it was printed, kept byte for byte."""

    statement = models.OneToOneField(
        Statement, models.PROTECT, primary_key=True, related_name="file", db_constraint=False
    )
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    pdf = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = TenantManager()

    def __str__(self) -> str:
        return f"File of statement {self.statement_id}"
