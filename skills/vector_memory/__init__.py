"""Lets an agent note things down and find them again."""

from skills.vector_memory.skill import VectorMemorySkill

__all__ = ["VectorMemorySkill"]
