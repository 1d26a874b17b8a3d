"""Payment tokens: capped, expiring permits to spend an organization's money, handed to whoever is to spend it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from billing.rating import MOST_NANOS
from tenants.models.tenant import TenantManager


class PaymentToken(models.Model):
    """A permit over at most `cap`, for `organization` to pay. Of its text only a digest is kept.

    One without a hold is a limit on the wallet, kept by a budget over its cap. Every other owns a hold, carved out of
    what its parent or the run that minted it may spend, and each use is a hold carved out of that one. `root` is the
    first of the tree, of which nobody else is the parent. `audience` are the agents whose runs it pays, null for all.
    """

    class Status(models.TextChoices):
        """Whether it pays. What has ended stays so; what it had reserved is back where it came from."""

        ACTIVE = "active", "Active"
        REVOKED = "revoked", "Revoked"
        EXPIRED = "expired", "Expired"
        CLOSED = "closed", "Closed"

    id = models.UUIDField(primary_key=True, help_text="Chosen by the caller: it is the idempotency key.")
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    name = models.CharField(max_length=100, blank=True, help_text="What tells it from the others.")
    public_id = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.BinaryField(max_length=32)
    pepper_version = models.PositiveSmallIntegerField(editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children", db_constraint=False)
    root = models.ForeignKey("self", models.PROTECT, related_name="+", db_constraint=False)
    depth = models.PositiveSmallIntegerField(db_default=0, default=0, help_text="How many stand above it.")
    run_id = models.UUIDField(null=True, help_text="The run that minted it, out of its own hold.")
    hold = models.OneToOneField(
        "billing.Hold", models.PROTECT, null=True, related_name="payment_token", db_constraint=False
    )
    cap = models.PositiveBigIntegerField(help_text="Nanodollars.")
    max_per_call = models.PositiveBigIntegerField(null=True, help_text="Nanodollars.")
    audience = ArrayField(models.UUIDField(), null=True, help_text="The agents whose runs it pays; null for all.")
    audience_names = ArrayField(models.CharField(max_length=160), null=True, help_text="Their names, when it was made.")
    redelegate = models.BooleanField(db_default=False, default=False, help_text="Whether it may have children.")
    not_before = models.DateTimeField()
    expires_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=Status, db_default="active", default="active")
    key_id = models.UUIDField(null=True, help_text="The API key that asked for it.")
    actor = models.CharField(max_length=254, db_default="", default="", help_text="Who asked for it.")
    created_at = models.DateTimeField(db_default=models.functions.Now())
    ended_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta:
        verbose_name = "payment token"
        constraints = (
            models.CheckConstraint(condition=Q(cap__gt=0, cap__lte=MOST_NANOS), name="token_cap_bounded"),
            models.CheckConstraint(
                condition=Q(max_per_call__isnull=True) | Q(max_per_call__gt=0, max_per_call__lte=F("cap")),
                name="token_max_per_call_within_cap",
            ),
            models.CheckConstraint(
                condition=Q(status__in=("active", "revoked", "expired", "closed")), name="token_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status="active", ended_at__isnull=True) | (~Q(status="active") & Q(ended_at__isnull=False)),
                name="token_ended_at_its_end",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("not_before")), name="token_window_not_empty"),
            models.CheckConstraint(
                condition=Q(parent__isnull=True, run_id__isnull=True) | Q(hold__isnull=False),
                name="token_of_another_is_funded",
            ),
            models.CheckConstraint(
                condition=Q(parent__isnull=True, depth=0, root=F("id")) | Q(parent__isnull=False, depth__gte=1),
                name="token_root_has_no_parent",
            ),
            models.CheckConstraint(
                condition=Q(audience__isnull=True) | Q(audience__len__gte=1), name="token_audience_not_empty"
            ),
            models.UniqueConstraint(fields=("organization", "id"), name="token_organization_id"),
        )
        indexes = (
            models.Index(fields=("organization", "-id"), name="token_recent"),
            models.Index(fields=("expires_at",), name="token_active_by_expiry", condition=Q(status="active")),
            models.Index(
                fields=("run_id",), name="token_active_of_run", condition=Q(status="active", run_id__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return self.name or f"rb_pt_{self.public_id}"
