"""A version of an agent: what was published, for ever."""

from typing import ClassVar

from django.db import models

from agents.models.agent import Agent
from agents.models.definition import Definition


class AgentVersion(Definition):
    """An immutable snapshot of an agent's draft and skills. The database refuses to change or delete one."""

    agent = models.ForeignKey(Agent, models.PROTECT, related_name="versions", db_constraint=False)
    number = models.PositiveIntegerField(help_text="Counts from 1 within the agent.")
    skills = models.JSONField(default=list, help_text="The enabled skills, in order: name and options of each.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(Definition.Meta):
        constraints: ClassVar = [
            *Definition.Meta.constraints,
            models.UniqueConstraint(fields=("organization", "agent", "number"), name="agents_version_number_once"),
            models.UniqueConstraint(fields=("organization", "agent", "id"), name="agents_version_of_agent"),
            models.UniqueConstraint(fields=("organization", "id"), name="agents_version_organization_id"),
        ]

    def __str__(self) -> str:
        return f"v{self.number}"
