"""The Django application of agents and their runs."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """Agents: what they are made of, who may reach them, and what they did."""

    name = "agents"
    verbose_name = "Agents"
