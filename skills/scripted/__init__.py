"""A model with no network."""

from skills.scripted.skill import ScriptedSkill

__all__ = ["ScriptedSkill"]
