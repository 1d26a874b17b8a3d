"""Lets an agent read the clock."""

from skills.clock.skill import ClockSkill

__all__ = ["ClockSkill"]
