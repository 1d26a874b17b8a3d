"""Reading pages of the web."""

from skills.web.skill import WebSkill

__all__ = ["WebSkill"]
