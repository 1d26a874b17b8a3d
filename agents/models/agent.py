"""An agent: an address, its draft, and a pointer to what is published at it."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models

from agents.models.definition import Definition


class Visibility(models.TextChoices):
    """Who may find and call an agent."""

    PRIVATE = "private", "Only our own organization"
    PUBLIC = "public", "Everyone"


class AgentStatus(models.TextChoices):
    """Whether an agent answers at all."""

    ACTIVE = "active", "Active"
    DISABLED = "disabled", "Disabled"


class Agent(Definition):
    """Where an organization hosts an agent. Callers reach the published version; edits go to the draft."""

    slug = models.CharField(
        max_length=63,
        validators=[
            RegexValidator(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z", "Lower-case letters, digits and hyphens in between.")
        ],
        help_text="The agent's name in addresses.",
    )
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=2000, help_text="What the agent does, for those who call it.")
    visibility = models.CharField(max_length=8, choices=Visibility.choices, default=Visibility.PRIVATE)
    status = models.CharField(max_length=8, choices=AgentStatus.choices, default=AgentStatus.ACTIVE)
    published_version = models.ForeignKey(
        "AgentVersion", models.PROTECT, null=True, blank=True, related_name="+", db_constraint=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(Definition.Meta):
        constraints: ClassVar = [
            *Definition.Meta.constraints,
            models.UniqueConstraint(fields=("organization", "slug"), name="agents_agent_slug_once"),
            models.UniqueConstraint(fields=("organization", "id"), name="agents_agent_organization_id"),
            models.CheckConstraint(
                condition=models.Q(visibility__in=Visibility.values), name="agents_agent_visibility_known"
            ),
            models.CheckConstraint(condition=models.Q(status__in=AgentStatus.values), name="agents_agent_status_known"),
            models.CheckConstraint(
                condition=models.Q(slug__regex=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"), name="agents_agent_slug_shape"
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def is_published(self) -> bool:
        """Whether callers can reach it."""
        return self.published_version_id is not None and self.status == AgentStatus.ACTIVE
