"""The skills that an agent's page offers."""

from agents.services.tool_prices import OfferedTool, tools_of
from skills import registry
from skills.sdk import Skill


def offered_skills() -> list[tuple[str, type[Skill]]]:
    """Every registered skill with its class, by name."""
    return [(name, registry.skill_class(name)) for name in sorted(registry.names())]


def offered_tools() -> list[tuple[str, OfferedTool]]:
    """Every tool of theirs, with the name of its skill."""
    return [(name, tool) for name, skill in offered_skills() for tool in tools_of(skill)]
