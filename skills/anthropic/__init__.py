"""Models of Anthropic, over its own Messages API."""

from skills.anthropic.skill import AnthropicSkill

__all__ = ["AnthropicSkill"]
