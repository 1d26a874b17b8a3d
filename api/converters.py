"""The part of a path that may name an agent."""

from django.urls import register_converter
from django.urls.converters import StringConverter

from agents.services.descriptions import NO_AGENTS

AGENT_PATH = "agent_path"
"""What routes call it."""


class AgentPath(StringConverter):
    """A path whose first segment may be an agent's or an organization's; what is the platform's does not match."""

    regex = (
        rf"(?!(?:{'|'.join(sorted(name.replace('.', '[.]') for name in NO_AGENTS))})(?:/|$))[a-z0-9][^/]*(?:/[^/]+)*"
    )


register_converter(AgentPath, AGENT_PATH)
