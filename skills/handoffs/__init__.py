"""Passing the conversation on to other agents."""

from skills.handoffs.skill import HandoffsSkill

__all__ = ["HandoffsSkill"]
