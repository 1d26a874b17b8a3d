"""Small JSON values that skills keep for one agent and one calling organization."""

from typing import ClassVar

from django.db import models

from tenants.models import TenantModel


class StoredItem(TenantModel):
    """A value under a namespace and a key. `organization` is the caller's: other callers keep their own."""

    agent_organization_id = models.UUIDField(help_text="The organization whose agent keeps this.")
    agent = models.ForeignKey("Agent", models.CASCADE, related_name="+", db_constraint=False)
    namespace = models.CharField(max_length=64)
    key = models.CharField(max_length=256)
    value = models.JSONField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("organization", "agent", "namespace", "key"), name="agents_item_key_once"),
            models.UniqueConstraint(fields=("organization", "id"), name="agents_item_organization_id"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=("expires_at",), name="agents_item_expiring", condition=models.Q(expires_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.key}"
