"""Grants: credit that a wallet is given, and what becomes of it."""

from django.db import models
from django.db.models import F, Q

from billing.rating import MOST_NANOS
from tenants.models.tenant import TenantManager


class Grant(models.Model):
    """Credit given to a wallet, which may expire.

    The wallet holds one sum; which part of it is left of which grant is worked out afterwards, from what was spent.
    `used` is what was spent of it, expired, or was taken back.
    """

    class Source(models.TextChoices):
        """What it was given for."""

        PROMO = "promo", "Promotion"
        PLAN = "plan", "Plan"
        REFERRAL = "referral", "Referral"
        GOODWILL = "goodwill", "Goodwill"
        BONUS = "bonus", "Bonus"

    class CostBasis(models.TextChoices):
        """Whether somebody paid for it. What was paid for does not expire unless it is said to."""

        PAID = "paid", "Paid for"
        ZERO = "zero", "Given for free"

    class State(models.TextChoices):
        """Waiting for a second person, or how that ended."""

        REQUESTED = "requested", "Awaits approval"
        GIVEN = "given", "Given"
        REJECTED = "rejected", "Rejected"

    id = models.UUIDField(primary_key=True, help_text="Chosen by the caller: it is the idempotency key.")
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    source = models.CharField(max_length=8, choices=Source)
    amount = models.PositiveBigIntegerField(help_text="Nanodollars.")
    used = models.PositiveBigIntegerField(db_default=0, default=0, help_text="Spent, expired or taken back.")
    priority = models.PositiveSmallIntegerField(help_text="The lowest is spent first.")
    cost_basis = models.CharField(max_length=4, choices=CostBasis)
    expires_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200)
    state = models.CharField(max_length=12, choices=State)
    requested_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(db_default=models.functions.Now())
    alone_up_to = models.PositiveBigIntegerField(help_text="What one person may give alone. Nanodollars.")
    decided_by = models.CharField(max_length=254, db_default="", default="")
    decided_at = models.DateTimeField(null=True)
    group = models.OneToOneField(
        "billing.TransferGroup", models.PROTECT, null=True, related_name="grant", db_constraint=False
    )

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0, amount__lte=MOST_NANOS), name="grant_amount_bounded"),
            models.CheckConstraint(condition=Q(used__lte=F("amount")), name="grant_used_within"),
            models.CheckConstraint(
                condition=Q(source__in=("promo", "plan", "referral", "goodwill", "bonus")), name="grant_source_known"
            ),
            models.CheckConstraint(condition=Q(cost_basis__in=("paid", "zero")), name="grant_cost_basis_known"),
            models.CheckConstraint(
                condition=Q(state="requested", decided_at__isnull=True, group__isnull=True, used=0)
                | Q(state="rejected", decided_at__isnull=False, group__isnull=True, used=0)
                | Q(state="given", decided_at__isnull=False, group__isnull=False),
                name="grant_group_of_state",
            ),
            models.CheckConstraint(
                condition=~Q(state="given") | Q(amount__lte=F("alone_up_to")) | ~Q(decided_by=F("requested_by")),
                name="grant_by_two_people",
            ),
            models.UniqueConstraint(fields=("organization", "id"), name="grant_organization_id"),
        )
        indexes = (
            models.Index(
                fields=("organization", "expires_at"),
                name="grant_live",
                condition=Q(state="given", used__lt=F("amount")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.source} credit {self.id}"

    @property
    def remaining(self) -> int:
        """What is left of it, as far as it was worked out. Nanodollars."""
        return self.amount - self.used if self.state == self.State.GIVEN else 0


class GrantBurn(models.Model):
    """A part of a grant that is gone, and the movement with which it went."""

    class Kind(models.TextChoices):
        """Where it went."""

        SPENT = "spent", "Spent"
        EXPIRED = "expired", "Expired"
        REVERSED = "reversed", "Taken back"

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+", db_constraint=False)
    grant = models.ForeignKey(Grant, models.PROTECT, related_name="burns", db_constraint=False, db_index=False)
    transfer = models.ForeignKey("billing.Transfer", models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind)
    amount = models.PositiveBigIntegerField(help_text="Nanodollars.")
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="grant_burn_amount_positive"),
            models.CheckConstraint(
                condition=Q(kind__in=("spent", "expired", "reversed")), name="grant_burn_kind_known"
            ),
            models.UniqueConstraint(fields=("grant", "transfer"), name="grant_burn_once"),
            models.UniqueConstraint(fields=("organization", "id"), name="grant_burn_of_organization"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} of {self.grant_id}"


class GrantCursor(models.Model):
    """Up to which transfer it was worked out what a wallet spent of its grants."""

    organization = models.OneToOneField(
        "tenants.Organization", models.PROTECT, primary_key=True, related_name="+", db_constraint=False
    )
    transfer = models.PositiveBigIntegerField(help_text="The id of the last one.")

    objects = TenantManager()

    def __str__(self) -> str:
        return f"Grants of {self.organization_id} up to {self.transfer}"
