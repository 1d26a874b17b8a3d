"""Says what of a conversation reaches the model."""

from skills.short_term_memory.skill import ShortTermMemorySkill

__all__ = ["ShortTermMemorySkill"]
