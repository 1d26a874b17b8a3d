"""Lets an agent plan what takes several steps."""

from skills.planning.skill import PlanningSkill

__all__ = ["PlanningSkill"]
