"""Models of every provider that litellm knows; litellm itself is imported on first use."""

from skills.litellm.skill import LiteLLMSkill

__all__ = ["LiteLLMSkill"]
