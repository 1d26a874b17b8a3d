"""The Django application of agents and their runs."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """Agents: what they are made of, who may reach them, and what they did."""

    name = "agents"
    verbose_name = "Agents"

    def ready(self) -> None:
        """Tell billing what an organization's agents are called: budgets may be theirs."""
        from agents import selectors
        from billing import subjects

        subjects.know("agent", selectors.slugs_of)
