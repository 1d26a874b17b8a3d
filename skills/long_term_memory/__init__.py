"""Lets an agent keep facts about its user."""

from skills.long_term_memory.skill import LongTermMemorySkill

__all__ = ["LongTermMemorySkill"]
