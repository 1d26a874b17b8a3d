"""Accounts: the pots that money moves between."""

from django.db import models
from django.db.models import F, Q

from billing.rating import MOST_NANOS
from tenants.models.tenant import TenantManager

OWNED_KINDS = ("wallet", "creator_earnings", "creator_clawback")
DEBIT_KINDS = (
    *("creator_clawback", "provider_cost", "external_clearing", "cash", "payment_fees", "promo_expense"),
    *("overrun_loss", "refund_contra"),
)


class Account(models.Model):
    """A pot of money, an organization's or the platform's (no organization).

    Only wallets are enforced: their totals stand in the row, change under its lock, and may not go below zero. The
    balance of every other account is the sum of its transfers, so that no two organizations queue for one row.
    """

    class Kind(models.TextChoices):
        """What the account stands for in the books."""

        WALLET = "wallet", "Wallet"
        CREATOR_EARNINGS = "creator_earnings", "Creator earnings"
        CREATOR_CLAWBACK = "creator_clawback", "Creator clawback"
        PLATFORM_REVENUE = "platform_revenue", "Platform revenue"
        PROVIDER_COST = "provider_cost", "Provider cost"
        PROVIDER_PAYABLE = "provider_payable", "Provider payable"
        EXTERNAL_CLEARING = "external_clearing", "External clearing"
        CASH = "cash", "Cash"
        PAYMENT_FEES = "payment_fees", "Payment fees"
        PROMO_EXPENSE = "promo_expense", "Promotional expense"
        BREAKAGE_INCOME = "breakage_income", "Breakage income"
        OVERRUN_LOSS = "overrun_loss", "Overrun loss"
        REFUND_CONTRA = "refund_contra", "Refunds of revenue"
        PAYOUT_CLEARING = "payout_clearing", "Payout clearing"
        SUSPENSE = "suspense", "Suspense"
        ROUNDING = "rounding", "Rounding"

    class Normal(models.TextChoices):
        """The side on which the account grows."""

        DEBIT = "D", "Debit"
        CREDIT = "C", "Credit"

    class Status(models.TextChoices):
        """Whether money may be reserved."""

        OPEN = "open", "Open"
        FROZEN = "frozen", "Frozen"
        CLOSED = "closed", "Closed"

    id = models.BigAutoField(primary_key=True)
    code = models.CharField(max_length=96, unique=True)
    kind = models.CharField(max_length=24, choices=Kind)
    normal = models.CharField(max_length=1, choices=Normal)
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, null=True, related_name="+", db_index=False
    )
    enforced = models.BooleanField(db_default=False, default=False)
    credit_limit = models.PositiveBigIntegerField(
        db_default=0, default=0, help_text="How far below zero it may go. Nanodollars."
    )
    debits_posted = models.PositiveBigIntegerField(db_default=0, default=0)
    credits_posted = models.PositiveBigIntegerField(db_default=0, default=0)
    debits_pending = models.PositiveBigIntegerField(db_default=0, default=0)
    status = models.CharField(max_length=8, choices=Status, db_default="open", default="open")
    status_reason = models.CharField(max_length=200, db_default="", default="", help_text="Why it is not open.")
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(enforced=False)
                | Q(credits_posted__gte=F("debits_posted") + F("debits_pending") - F("credit_limit")),
                name="account_no_overdraft",
            ),
            models.CheckConstraint(condition=Q(credit_limit__lte=MOST_NANOS), name="account_credit_limit_bounded"),
            models.CheckConstraint(
                condition=Q(enforced=True) | Q(debits_posted=0, credits_posted=0, debits_pending=0),
                name="account_totals_only_where_enforced",
            ),
            models.CheckConstraint(
                condition=Q(enforced=True, kind="wallet") | (Q(enforced=False) & ~Q(kind="wallet")),
                name="account_wallets_are_enforced",
            ),
            models.CheckConstraint(
                condition=Q(organization__isnull=False, kind__in=OWNED_KINDS)
                | (Q(organization__isnull=True) & ~Q(kind__in=OWNED_KINDS)),
                name="account_owned_kinds_have_an_owner",
            ),
            models.CheckConstraint(
                condition=Q(normal="D", kind__in=DEBIT_KINDS) | (Q(normal="C") & ~Q(kind__in=DEBIT_KINDS)),
                name="account_normal_side_of_kind",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=(
                        *("wallet", "creator_earnings", "creator_clawback", "platform_revenue", "provider_cost"),
                        *("provider_payable", "external_clearing", "cash", "payment_fees", "promo_expense"),
                        *("breakage_income", "overrun_loss", "refund_contra", "payout_clearing", "suspense"),
                        "rounding",
                    )
                ),
                name="account_kind_known",
            ),
            models.CheckConstraint(condition=Q(status__in=("open", "frozen", "closed")), name="account_status_known"),
            models.UniqueConstraint(fields=("organization", "kind"), name="account_one_per_organization_and_kind"),
            models.UniqueConstraint(fields=("organization", "id"), name="account_organization_id"),
        )

    def __str__(self) -> str:
        return self.code

    @property
    def available(self) -> int:
        """What may still be reserved or spent. Nanodollars."""
        return self.credits_posted + self.credit_limit - self.debits_posted - self.debits_pending
