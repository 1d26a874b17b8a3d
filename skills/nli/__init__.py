"""Calling other agents in natural language."""

from skills.nli.skill import NliSkill

__all__ = ["NliSkill"]
