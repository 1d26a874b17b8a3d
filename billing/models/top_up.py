"""Top-ups: money that comes into a wallet from outside."""

from django.db import models
from django.db.models import F, Q

from billing.rating import MOST_NANOS
from tenants.models.tenant import TenantManager


class TopUp(models.Model):
    """Money for a wallet, from the moment it was announced; only when it is credited has it arrived in the books.

    `reference` says how it can be found outside, `external_id` is the gateway's own name for it and `payment_id` that
    of the payment which came of it; `fee` is what the gateway kept, once it has said so. What a person enters by hand
    above a limit is credited when another approves.
    """

    class Rail(models.TextChoices):
        """How the money came."""

        MANUAL = "manual", "Entered by hand"
        STRIPE = "stripe", "Stripe"

    class State(models.TextChoices):
        """How far it is; it only moves forward."""

        CREATED = "created", "Created"
        PENDING = "pending", "Pending"
        CREDITED = "credited", "Credited"
        FAILED = "failed", "Failed"
        CANCELED = "canceled", "Canceled"
        REFUNDED = "refunded", "Refunded"
        DISPUTED = "disputed", "Disputed"

    id = models.UUIDField(primary_key=True, help_text="Chosen by the caller: it is the idempotency key.")
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    amount = models.PositiveBigIntegerField(help_text="Nanodollars.")
    rail = models.CharField(max_length=16, choices=Rail, db_default="manual", default="manual")
    state = models.CharField(max_length=8, choices=State, db_default="credited", default="credited")
    reference = models.CharField(max_length=200)
    external_id = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null is "not known yet"; '' would collide
    payment_id = models.CharField(max_length=200, null=True)  # noqa: DJ001 - as above
    page_url = models.CharField(max_length=2000, db_default="", default="", help_text="Where it can be paid.")
    actor = models.CharField(max_length=254)
    alone_up_to = models.PositiveBigIntegerField(
        db_default=MOST_NANOS, default=MOST_NANOS, help_text="What one person may enter alone. Nanodollars."
    )
    decided_by = models.CharField(max_length=254, db_default="", default="")
    group = models.OneToOneField(
        "billing.TransferGroup", models.PROTECT, null=True, related_name="top_up", db_constraint=False
    )
    fee = models.PositiveBigIntegerField(null=True, help_text="What the gateway kept of it. Nanodollars.")
    fee_problem = models.CharField(
        max_length=32, db_default="", default="", help_text="Why the fee cannot be booked as it is."
    )
    fee_group = models.OneToOneField(
        "billing.TransferGroup", models.PROTECT, null=True, related_name="+", db_constraint=False
    )
    looks = models.PositiveIntegerField(
        db_default=0, default=0, help_text="How often the gateway was asked without being told to."
    )
    next_look_at = models.DateTimeField(db_default=models.functions.Now())
    created_at = models.DateTimeField(db_default=models.functions.Now())
    decided_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="top_up_amount_positive"),
            models.CheckConstraint(condition=Q(amount__lte=MOST_NANOS), name="top_up_amount_bounded"),
            models.CheckConstraint(condition=Q(rail__in=("manual", "stripe")), name="top_up_rail_known"),
            models.CheckConstraint(
                condition=Q(group__isnull=True, state__in=("created", "pending", "failed", "canceled"))
                | Q(group__isnull=False, state__in=("credited", "canceled", "refunded", "disputed")),
                name="top_up_group_of_state",
            ),
            models.CheckConstraint(
                condition=Q(group__isnull=True)
                | ~Q(rail="manual")
                | Q(amount__lte=F("alone_up_to"))
                | (~Q(decided_by="") & ~Q(decided_by=F("actor"))),
                name="top_up_by_two_people",
            ),
            models.CheckConstraint(
                condition=Q(fee__isnull=True, fee_group__isnull=True)
                | Q(fee=0, fee_group__isnull=True, group__isnull=False)
                | Q(fee__gt=0, fee_group__isnull=False, group__isnull=False, fee_problem=""),
                name="top_up_fee_is_booked",
            ),
            models.UniqueConstraint(fields=("organization", "id"), name="top_up_organization_id"),
            models.UniqueConstraint(fields=("rail", "external_id"), name="top_up_one_per_external_id"),
            models.UniqueConstraint(fields=("rail", "payment_id"), name="top_up_one_per_payment"),
        )
        indexes = (
            models.Index(
                fields=("created_at",), name="top_up_unfinished", condition=Q(state__in=("created", "pending"))
            ),
            models.Index(
                fields=("next_look_at",),
                name="top_up_to_look_after",
                condition=Q(external_id__isnull=False, fee__isnull=True, fee_problem="")
                & (Q(state="pending") | Q(group__isnull=False)),
            ),
        )

    def __str__(self) -> str:
        return f"Top-up {self.reference}"
