"""Transfers: movements of money, never edited, corrected only by further ones."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q


class TransferGroup(models.Model):
    """Transfers that happen together or not at all."""

    class Kind(models.TextChoices):
        """Why money moved."""

        TOP_UP = "top_up", "Top-up"
        SETTLEMENT = "settlement", "Settlement"
        LATE_SETTLEMENT = "late_settlement", "Late settlement"
        UNHELD_LOSS = "unheld_loss", "Loss without a hold"
        GRANT = "grant", "Grant"
        GRANT_EXPIRY = "grant_expiry", "Expired grant"
        REFUND = "refund", "Refund"
        ADJUSTMENT = "adjustment", "Adjustment"
        REVERSAL = "reversal", "Reversal"
        PAYOUT = "payout", "Payout"
        PAYOUT_RETURN = "payout_return", "Returned payout"
        PROVIDER_INVOICE = "provider_invoice", "Provider's invoice"
        CHARGEBACK = "chargeback", "Chargeback"
        WRITE_OFF = "write_off", "Write-off"
        PAYMENT_FEE = "payment_fee", "Fee of a payment"

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=96, unique=True, help_text="Once per key, however often it is asked for.")
    kind = models.CharField(max_length=16, choices=Kind)
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, null=True, related_name="+", db_index=False, help_text="Whose doing."
    )
    charge = models.ForeignKey(
        "billing.Charge", models.PROTECT, null=True, related_name="transfer_groups", db_constraint=False
    )
    hold = models.ForeignKey(
        "billing.Hold", models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False
    )
    reverses = models.OneToOneField("self", models.PROTECT, null=True, related_name="reversed_by", db_constraint=False)
    actor = models.CharField(max_length=254, db_default="", default="")
    memo = models.CharField(max_length=200, db_default="", default="")
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(
                    kind__in=(
                        *("top_up", "settlement", "late_settlement", "unheld_loss", "grant", "grant_expiry", "refund"),
                        *("adjustment", "reversal", "payout", "payout_return", "provider_invoice", "chargeback"),
                        *("write_off", "payment_fee"),
                    )
                ),
                name="transfer_group_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(organization__isnull=False)
                | Q(kind__in=("adjustment", "reversal", "provider_invoice", "write_off", "payment_fee")),
                name="transfer_group_has_an_organization",
            ),
            models.CheckConstraint(
                condition=Q(reverses__isnull=True) | Q(kind__in=("reversal", "payout_return")),
                name="transfer_group_reverses_by_kind",
            ),
            models.CheckConstraint(
                condition=Q(hold__isnull=False, kind__in=("settlement", "late_settlement"))
                | (Q(hold__isnull=True) & ~Q(kind__in=("settlement", "late_settlement"))),
                name="transfer_group_hold_of_kind",
            ),
            models.UniqueConstraint(fields=("hold",), name="transfer_group_one_per_hold"),
            models.UniqueConstraint(fields=("organization", "id"), name="transfer_group_organization_id"),
        )

    def __str__(self) -> str:
        return self.key


class Transfer(models.Model):
    """`amount` from one account to another: one row is both sides, so that the books balance by their shape."""

    id = models.BigAutoField(primary_key=True)
    group = models.ForeignKey(TransferGroup, models.PROTECT, related_name="transfers", db_index=False)
    line = models.PositiveSmallIntegerField()
    debit = models.ForeignKey("billing.Account", models.PROTECT, related_name="debits", db_index=False)
    credit = models.ForeignKey("billing.Account", models.PROTECT, related_name="credits", db_index=False)
    debit_organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False
    )
    credit_organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False
    )
    amount = models.PositiveBigIntegerField(help_text="Nanodollars.")
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_between_two_accounts"),
            models.UniqueConstraint(fields=("group", "line"), name="transfer_line"),
        )
        indexes = (
            models.Index(fields=("debit", "id"), name="transfer_by_debit"),
            models.Index(fields=("credit", "id"), name="transfer_by_credit"),
            BrinIndex(fields=("created_at",), name="transfer_by_time"),
        )

    def __str__(self) -> str:
        return f"Transfer {self.id}"
