"""The outbox: news of money, written in the transaction that made it true, and its way to those who listen."""

from django.db import models
from django.db.models import Q

from tenants.ids import Uuid7Field
from tenants.models.tenant import TenantManager


class OutboxEvent(models.Model):
    """Something that happened to an organization's money, once per key; what happened stays as it was written."""

    id = Uuid7Field()
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    topic = models.CharField(max_length=32)
    key = models.CharField(max_length=160, unique=True, help_text="Once per key, however often it is told.")
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=models.functions.Now())
    published_at = models.DateTimeField(null=True, help_text="When its deliveries were made out.")

    objects = TenantManager()

    class Meta:
        base_manager_name = "objects"
        constraints = (models.UniqueConstraint(fields=("organization", "id"), name="outbox_event_of_organization"),)
        indexes = (
            models.Index(fields=("created_at",), name="outbox_event_waiting", condition=Q(published_at__isnull=True)),
        )

    def __str__(self) -> str:
        return f"{self.topic} {self.key}"


class Delivery(models.Model):
    """An event on its way to one webhook or one mailbox, tried until it arrives or a day is over.

    Whoever tries raises `attempts` first: the number tells whose result counts, should two try at once.
    """

    class State(models.TextChoices):
        """How far it is."""

        PENDING = "pending", "On its way"
        DELIVERED = "delivered", "Delivered"
        DEAD = "dead", "Given up"

    id = Uuid7Field()
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    event = models.ForeignKey(OutboxEvent, models.PROTECT, related_name="deliveries", db_constraint=False)
    # The database lets an endpoint's deliveries go with it.
    endpoint = models.ForeignKey(
        "billing.WebhookEndpoint", models.DO_NOTHING, null=True, related_name="deliveries", db_constraint=False
    )
    mailbox = models.CharField(max_length=254, db_default="", default="")
    state = models.CharField(max_length=12, choices=State, db_default="pending", default="pending")
    attempts = models.PositiveSmallIntegerField(db_default=0, default=0)
    next_attempt_at = models.DateTimeField(db_default=models.functions.Now())
    answer = models.CharField(max_length=200, db_default="", default="", help_text="What the last attempt came to.")
    delivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = TenantManager()

    class Meta:
        base_manager_name = "objects"
        constraints = (
            models.UniqueConstraint(fields=("organization", "id"), name="delivery_of_organization"),
            models.UniqueConstraint(
                fields=("event", "endpoint", "mailbox"), nulls_distinct=False, name="delivery_once"
            ),
            models.CheckConstraint(
                condition=Q(endpoint__isnull=False, mailbox="") | (Q(endpoint__isnull=True) & ~Q(mailbox="")),
                name="delivery_has_one_target",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("pending", "delivered", "dead")), name="delivery_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="delivered", delivered_at__isnull=False)
                | (~Q(state="delivered") & Q(delivered_at__isnull=True)),
                name="delivery_delivered_at_its_end",
            ),
        )
        indexes = (
            models.Index(fields=("next_attempt_at",), name="delivery_due", condition=Q(state="pending")),
            models.Index(fields=("endpoint", "-created_at"), name="delivery_by_endpoint"),
        )

    def __str__(self) -> str:
        return f"{self.event_id} to {self.endpoint_id or self.mailbox}"
