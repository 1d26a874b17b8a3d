"""The skills that an agent's page offers."""

from skills import registry
from skills.sdk import Skill


def offered_skills() -> list[tuple[str, type[Skill]]]:
    """Every registered skill with its class, by name."""
    return [(name, registry.skill_class(name)) for name in sorted(registry.names())]
