"""A skill of an agent's draft, and the options set on it."""

from typing import ClassVar

from django.db import models

from agents.models.agent import Agent
from tenants.models import TenantModel


class SkillConfig(TenantModel):
    """One skill of a draft: its registered name and its options, checked by the skill's own Options when saved."""

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="skill_configs", db_constraint=False)
    skill = models.CharField(max_length=64, help_text="The skill's registered name.")
    options = models.JSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0, help_text="Order among the agent's skills.")

    class Meta(TenantModel.Meta):
        ordering = ("position", "skill")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("organization", "agent", "skill"), name="agents_skill_once_per_agent"),
            models.UniqueConstraint(fields=("organization", "id"), name="agents_skill_organization_id"),
        ]

    def __str__(self) -> str:
        return self.skill
