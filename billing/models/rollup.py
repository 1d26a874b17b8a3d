"""Rollups: what the ledger says, added up by the hour, so that a figure of a year costs no more than one of a day."""

from django.db import models

from tenants.models.tenant import TenantManager


class Watermark(models.Model):
    """How far a job has read the ledger, and how far it may go once everybody who may still write below is done."""

    job = models.CharField(primary_key=True, max_length=16)
    settlement = models.PositiveBigIntegerField(db_default=0, default=0, help_text="Read up to this number.")
    transfer = models.PositiveBigIntegerField(db_default=0, default=0, help_text="Read up to this id.")
    next_settlement = models.PositiveBigIntegerField(db_default=0, default=0)
    next_transfer = models.PositiveBigIntegerField(db_default=0, default=0)
    horizon = models.BigIntegerField(null=True, help_text="Transactions before this one may still write below `next`.")

    def __str__(self) -> str:
        return self.job


class UsageHour(models.Model):
    """What the runs of one hour came to, for one payer, agent, model and key; a settlement counts when it was made.

    `own_cost` is the part of the cost that the platform owes to a provider, `estimated` the part of what was charged
    that no provider measured.
    """

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField()
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+", help_text="Who pays.")
    beneficiary = models.ForeignKey(
        "tenants.Organization", models.PROTECT, null=True, related_name="+", db_index=False, help_text="Whose agent."
    )
    agent_id = models.UUIDField(null=True)
    reference = models.CharField(max_length=200)
    model = models.CharField(max_length=200, db_default="", default="")
    key_id = models.UUIDField(null=True)
    calls = models.PositiveBigIntegerField()
    input_tokens = models.PositiveBigIntegerField()
    output_tokens = models.PositiveBigIntegerField()
    charged = models.PositiveBigIntegerField()
    cost = models.PositiveBigIntegerField()
    own_cost = models.PositiveBigIntegerField()
    markup = models.PositiveBigIntegerField()
    fee = models.PositiveBigIntegerField()
    creator_share = models.PositiveBigIntegerField()
    platform_share = models.PositiveBigIntegerField()
    loss = models.PositiveBigIntegerField()
    estimated = models.PositiveBigIntegerField()

    objects = TenantManager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("organization", "id"), name="usage_hour_of_organization"),
            models.UniqueConstraint(
                fields=("hour", "organization", "beneficiary", "agent_id", "reference", "model", "key_id"),
                name="usage_hour_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=models.Q(charged=models.F("creator_share") + models.F("platform_share")),
                name="usage_hour_shares_are_the_charge",
            ),
        )
        indexes = (models.Index(fields=("organization", "hour"), name="usage_hour_by_organization"),)

    def __str__(self) -> str:
        return f"{self.reference} at {self.hour:%Y-%m-%d %H:00}"


class JournalHour(models.Model):
    """What moved between two accounts in one hour, for one reason."""

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField()
    kind = models.CharField(max_length=24)
    debit = models.ForeignKey("billing.Account", models.PROTECT, related_name="+", db_index=False)
    credit = models.ForeignKey("billing.Account", models.PROTECT, related_name="+", db_index=False)
    transfers = models.PositiveBigIntegerField()
    amount = models.PositiveBigIntegerField(help_text="Nanodollars.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("hour", "kind", "debit", "credit"), name="journal_hour_once"),)

    def __str__(self) -> str:
        return f"{self.kind} at {self.hour:%Y-%m-%d %H:00}"
