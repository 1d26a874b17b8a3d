"""Holds: money reserved before the work it pays for."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from billing.rating import MOST_NANOS
from tenants.models.tenant import TenantManager


class Hold(models.Model):
    """A reservation on `account`, made before a run so that no run can outspend it.

    Its state only moves forward and its amount only grows. It ends in at most one Settlement, or expires; what had
    expired with nothing checkpointed may be settled late, once.

    A hold with a parent is carved out of it and touches nothing else: `child_reserved` is what a hold's children still
    reserve of it, `child_spent` what they have spent. What is reserved above a hold for it is its amount less what its
    children have spent; once it has ended, only what its open children still reserve.
    """

    class State(models.TextChoices):
        """Open, or how it ended."""

        OPEN = "open", "Open"
        SETTLED = "settled", "Settled"
        RELEASED = "released", "Released"
        EXPIRED = "expired", "Expired"
        LATE = "late", "Settled late"

    id = models.UUIDField(primary_key=True, help_text="Chosen by the caller: it is the idempotency key.")
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    account = models.ForeignKey(
        "billing.Account", models.PROTECT, related_name="holds", db_constraint=False, db_index=False
    )
    charge = models.OneToOneField("billing.Charge", models.PROTECT, related_name="hold", db_constraint=False)
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="children", db_constraint=False, db_index=False
    )
    ancestors = ArrayField(models.UUIDField(), db_default=[], default=list, help_text="From the root to the parent.")
    amount = models.PositiveBigIntegerField(help_text="Nanodollars.")
    child_reserved = models.PositiveBigIntegerField(db_default=0, default=0)
    child_spent = models.PositiveBigIntegerField(db_default=0, default=0)
    accrued_cost = models.PositiveBigIntegerField(db_default=0, default=0, help_text="Spent by the last checkpoint.")
    accrued_markup = models.PositiveBigIntegerField(db_default=0, default=0)
    accrued_fee = models.PositiveBigIntegerField(db_default=0, default=0)
    state = models.CharField(max_length=8, choices=State, db_default="open", default="open")
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(db_default=models.functions.Now())
    closed_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="hold_amount_positive"),
            models.CheckConstraint(
                condition=Q(amount__gte=F("child_reserved") + F("child_spent")), name="hold_children_fit"
            ),
            models.CheckConstraint(
                condition=Q(accrued_cost__lte=MOST_NANOS, accrued_markup__lte=MOST_NANOS, accrued_fee__lte=MOST_NANOS),
                name="hold_accrued_bounded",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("open", "settled", "released", "expired", "late")), name="hold_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="open", closed_at__isnull=True) | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="hold_closed_at_its_end",
            ),
            models.UniqueConstraint(fields=("organization", "id"), name="hold_organization_id"),
        )
        indexes = (
            models.Index(fields=("expires_at",), name="hold_open_by_expiry", condition=Q(state="open")),
            models.Index(fields=("account",), name="hold_open_by_account", condition=Q(state="open")),
            models.Index(fields=("parent",), name="hold_by_parent", condition=Q(parent__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.state} hold {self.id}"
