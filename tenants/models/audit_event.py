"""What was done, by whom, for good."""

from django.db import models

from tenants.ids import Uuid7Field
from tenants.models.organization import Organization
from tenants.models.tenant import TenantManager


class AuditEvent(models.Model):
    """One thing somebody did. The database refuses to change or remove it.

    Who and what are plain values, not references: the event outlives them.
    """

    id = Uuid7Field()
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, blank=True, related_name="+")
    action = models.CharField(max_length=100, help_text="A noun and a verb in the past, such as key.revoked.")
    object_type = models.CharField(max_length=100, blank=True)
    object_id = models.CharField(max_length=100, blank=True)
    object_label = models.CharField(max_length=200, blank=True)
    actor_user_id = models.BigIntegerField(null=True, blank=True)
    actor_key_id = models.UUIDField(null=True, blank=True)
    actor_label = models.CharField(max_length=254, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it was done as the platform, if it was.")
    detail = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantManager()

    class Meta:
        base_manager_name = "objects"
        constraints = (models.UniqueConstraint(fields=("organization", "id"), name="auditevent_of_organization"),)
        indexes = (models.Index(fields=("organization", "-created_at"), name="auditevent_by_time"),)

    def __str__(self) -> str:
        return f"{self.action} {self.object_label}".strip()
