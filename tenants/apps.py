"""The Django application of organizations, members and keys."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Registers the system check of the walls."""

    name = "tenants"
    verbose_name = "Organizations"

    def ready(self) -> None:
        """Load the checks."""
        from tenants import checks  # noqa: F401
