"""Events of gateways: what the companies that move money outside have told us, as they told it."""

from django.db import models
from django.db.models import Q


class GatewayEvent(models.Model):
    """One signed message of a gateway, kept as it came; it is acted upon once, however often it comes.

    It belongs to no organization: whose payment it is about is looked up afterwards, at the gateway itself.
    """

    class State(models.TextChoices):
        """Whether it was acted upon."""

        RECEIVED = "received", "Received"
        PROCESSED = "processed", "Processed"
        IGNORED = "ignored", "Of no concern"

    id = models.BigAutoField(primary_key=True)
    rail = models.CharField(max_length=16)
    event_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=64)
    object_id = models.CharField(max_length=200)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=State, db_default="received", default="received")
    outcome = models.CharField(max_length=32, db_default="", default="")
    received_at = models.DateTimeField(db_default=models.functions.Now())
    processed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(state="received", processed_at__isnull=True)
                | Q(state__in=("processed", "ignored"), processed_at__isnull=False),
                name="gateway_event_processed_at_its_end",
            ),
            models.UniqueConstraint(fields=("rail", "event_id"), name="gateway_event_once"),
        )

    def __str__(self) -> str:
        return f"{self.rail} {self.event_id}"
