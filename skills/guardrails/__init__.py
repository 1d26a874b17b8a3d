"""Keeps personal data, secrets and phrases out of what an agent reads and says."""

from skills.guardrails.skill import GuardrailsSkill

__all__ = ["GuardrailsSkill"]
