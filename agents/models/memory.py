"""What agents remember of the end users of those who call them."""

from typing import ClassVar

from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from pgvector.django import VectorField

from tenants.models import TenantModel


class Memory(TenantModel):
    """One thing that one agent remembers of one end user. `organization` is the caller's: the agent's owner sees none.

    `embedding` was made by `embedder`, and is compared with what the same one made.
    """

    agent_organization_id = models.UUIDField(help_text="The organization whose agent remembers.")
    agent_id = models.UUIDField()
    agent_slug = models.CharField("agent", max_length=64)
    end_user = models.CharField(max_length=256, help_text="Of whom it is remembered, as the caller names them.")
    kind = models.CharField(max_length=32)
    text = models.TextField()
    metadata = models.JSONField(default=dict)
    embedder = models.CharField(max_length=64)
    embedding = VectorField()
    words = models.GeneratedField(
        expression=SearchVector("text", config="english"), output_field=SearchVectorField(), db_persist=True
    )
    created_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        ordering = ("-created_at",)
        verbose_name_plural = "memories"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("organization", "id"), name="agents_memory_organization_id"),
            models.CheckConstraint(condition=~models.Q(end_user=""), name="agents_memory_of_somebody"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=("organization", "agent_id", "end_user", "kind", "-created_at"), name="agents_memory_of_end_user"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:60]
