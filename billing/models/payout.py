"""Payouts: how what creators have earned leaves the platform."""

from django.db import models
from django.db.models import F, Q

from tenants.ids import Uuid7Field
from tenants.models import DataKey
from tenants.models.tenant import TenantManager

NANOS_PER_CENT = 10**7
PERIOD = r"^[0-9]{4}-(?:0[1-9]|1[0-2])$"


class PayoutAccount(models.Model):
    """Where an organization's earnings are sent, sealed. A change is a new row, so that a payout stays what it was."""

    id = Uuid7Field()
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    label = models.CharField(max_length=100, help_text="What may be shown of it.")
    sealed = models.BinaryField(editable=False)
    data_key = models.ForeignKey(DataKey, models.SET_NULL, null=True, db_constraint=False, related_name="+")
    entered_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(db_default=models.functions.Now())
    replaced_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta:
        base_manager_name = "objects"
        constraints = (
            models.UniqueConstraint(fields=("organization", "id"), name="payout_account_organization_id"),
            models.UniqueConstraint(
                fields=("organization",), condition=Q(replaced_at=None), name="payout_account_one_in_use"
            ),
        )

    def __str__(self) -> str:
        return self.label


class PayoutBatch(models.Model):
    """The payouts of a month: calculated by one person, approved by another, then sent.

    What it was calculated with stands beside it: the last transfer that it saw, how long earnings wait, the smallest
    payout, and the share of a new creator's earnings that is kept in reserve.
    """

    class State(models.TextChoices):
        """How far it is."""

        CALCULATED = "calculated", "Calculated"
        APPROVED = "approved", "Approved"
        SENDING = "sending", "Sending"
        CLOSED = "closed", "Closed"
        PARTIALLY_FAILED = "partially_failed", "Partially failed"
        CANCELLED = "cancelled", "Cancelled"

    class Rail(models.TextChoices):
        """The way on which money leaves."""

        MANUAL = "manual", "Bank transfer by hand"
        GATEWAY = "gateway", "Payment provider"

    id = models.UUIDField(primary_key=True, help_text="Chosen by the caller: it is the idempotency key.")
    period = models.CharField(max_length=7, help_text="A month, such as 2026-11.")
    rail = models.CharField(max_length=8, choices=Rail)
    state = models.CharField(max_length=16, choices=State, db_default="calculated", default="calculated")
    watermark = models.PositiveBigIntegerField(help_text="The last transfer that it saw.")
    hold_back_days = models.PositiveSmallIntegerField()
    minimum = models.PositiveBigIntegerField(help_text="Nanodollars.")
    reserve_basis_points = models.PositiveSmallIntegerField()
    reserve_days = models.PositiveSmallIntegerField()
    calculated_by = models.CharField(max_length=254)
    calculated_at = models.DateTimeField(db_default=models.functions.Now())
    approved_by = models.CharField(max_length=254, db_default="", default="")
    approved_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "payout batches"
        constraints = (
            models.CheckConstraint(condition=Q(period__regex=PERIOD), name="payout_batch_period_form"),
            models.CheckConstraint(condition=Q(rail__in=("manual", "gateway")), name="payout_batch_rail_known"),
            models.CheckConstraint(
                condition=Q(state__in=("calculated", "approved", "sending", "closed", "partially_failed", "cancelled")),
                name="payout_batch_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(calculated_by="") & ~Q(approved_by=F("calculated_by")),
                name="payout_batch_takes_two_people",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("calculated", "cancelled"), approved_by="", approved_at__isnull=True)
                | (~Q(state__in=("calculated", "cancelled")) & ~Q(approved_by="") & Q(approved_at__isnull=False)),
                name="payout_batch_approved_before_sent",
            ),
            models.CheckConstraint(condition=Q(reserve_basis_points__lte=10_000), name="payout_batch_reserve_a_share"),
            models.UniqueConstraint(
                fields=("period",), condition=~Q(state="cancelled"), name="payout_batch_one_per_period"
            ),
            models.UniqueConstraint(
                fields=("state",), condition=Q(state="calculated"), name="payout_batch_one_to_be_approved"
            ),
            models.UniqueConstraint(fields=("id", "period", "rail"), name="payout_batch_period_and_rail"),
        )

    def __str__(self) -> str:
        return f"Payouts of {self.period}"


class Payout(models.Model):
    """One creator's money on its way out: whole cents, less what the creator owed back.

    `attempt` counts the times money was set aside for it, and names them to the payment provider; `tries` the times the
    provider was asked. A failed or returned payout has given the money back to the creator's earnings.
    """

    class State(models.TextChoices):
        """Where the money is."""

        CALCULATED = "calculated", "Calculated"
        PENDING = "pending", "Pending"
        SENT = "sent", "Sent"
        PAID = "paid", "Paid"
        FAILED = "failed", "Failed"
        RETURNED = "returned", "Returned"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True)
    batch = models.ForeignKey(PayoutBatch, models.PROTECT, related_name="payouts", db_constraint=False)
    period = models.CharField(max_length=7)
    rail = models.CharField(max_length=8)
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    account = models.ForeignKey(PayoutAccount, models.PROTECT, related_name="+", db_constraint=False)
    amount = models.PositiveBigIntegerField(help_text="Nanodollars.")
    amount_cents = models.PositiveBigIntegerField()
    clawback = models.PositiveBigIntegerField(db_default=0, default=0, help_text="Kept for refunds. Nanodollars.")
    fee = models.PositiveBigIntegerField(db_default=0, default=0, help_text="What sending it cost the platform.")
    state = models.CharField(max_length=12, choices=State, db_default="calculated", default="calculated")
    external_ref = models.CharField(max_length=100, null=True)  # noqa: DJ001 - null is "none yet", and several have none
    attempt = models.PositiveSmallIntegerField(db_default=0, default=0)
    tries = models.PositiveSmallIntegerField(db_default=0, default=0)
    next_attempt_at = models.DateTimeField(null=True)
    failure_code = models.CharField(max_length=64, db_default="", default="")
    group = models.OneToOneField(
        "billing.TransferGroup", models.PROTECT, null=True, related_name="+", db_constraint=False
    )
    return_group = models.OneToOneField(
        "billing.TransferGroup", models.PROTECT, null=True, related_name="+", db_constraint=False
    )
    created_at = models.DateTimeField(db_default=models.functions.Now())
    sent_at = models.DateTimeField(null=True)
    paid_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="payout_amount_positive"),
            models.CheckConstraint(
                condition=Q(amount=F("amount_cents") * NANOS_PER_CENT), name="payout_amount_whole_cents"
            ),
            models.CheckConstraint(
                condition=Q(state__in=("calculated", "pending", "sent", "paid", "failed", "returned", "cancelled")),
                name="payout_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("calculated", "cancelled", "failed")) | Q(group__isnull=False, attempt__gte=1),
                name="payout_money_set_aside_first",
            ),
            models.CheckConstraint(
                condition=~Q(state="returned") | Q(return_group__isnull=False), name="payout_returned_with_its_money"
            ),
            models.CheckConstraint(
                condition=Q(state="paid", paid_at__isnull=False)
                | ~Q(state="paid") & (Q(state="returned") | Q(paid_at__isnull=True)),
                name="payout_paid_at_its_moment",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("failed", "returned")) | Q(failure_code=""), name="payout_failure_has_a_code"
            ),
            models.UniqueConstraint(fields=("batch", "organization"), name="payout_one_per_creator_and_batch"),
            models.UniqueConstraint(fields=("rail", "external_ref"), name="payout_external_ref"),
            models.UniqueConstraint(fields=("organization", "id"), name="payout_organization_id"),
        )
        indexes = (
            models.Index(fields=("next_attempt_at",), name="payout_due", condition=Q(state__in=("pending", "sent"))),
        )

    def __str__(self) -> str:
        return f"Payout of {self.period}"
