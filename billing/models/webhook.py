"""Webhook endpoints: where an organization wants to hear of its money."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from tenants.ids import Uuid7Field
from tenants.models import DataKey
from tenants.models.tenant import TenantManager

TOPICS = (
    "balance.low", "budget.threshold", "charge.settled", "dispute.decided", "hold.expired", "payout.failed",
    "payout.paid", "refund.made", "statement.ready", "token.exhausted", "topup.succeeded",
)  # fmt: skip


class WebhookEndpoint(models.Model):
    """An address of the organization's own that is told of some topics, each message signed with its secret.

    After a rotation the secret before signs as well, until `previous_until`.
    """

    id = Uuid7Field()
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    sealed = models.BinaryField(editable=False)
    data_key = models.ForeignKey(
        DataKey, models.SET_NULL, null=True, db_constraint=False, related_name="+", editable=False
    )
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=200, blank=True, default="")
    topics = ArrayField(models.CharField(max_length=32), size=len(TOPICS))
    active = models.BooleanField(default=True)
    previous_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantManager()

    class Meta:
        base_manager_name = "objects"
        constraints = (
            models.UniqueConstraint(fields=("organization", "id"), name="webhook_endpoint_of_organization"),
            models.CheckConstraint(
                condition=Q(topics__contained_by=list(TOPICS)) & Q(topics__len__gte=1),
                name="webhook_endpoint_topics_known",
            ),
        )

    def __str__(self) -> str:
        return self.url
