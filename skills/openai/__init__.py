"""Models of OpenAI, and of every server that speaks its Chat Completions."""

from skills.openai.skill import OpenAISkill

__all__ = ["OpenAISkill"]
