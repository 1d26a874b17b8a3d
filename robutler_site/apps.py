"""The Django application that puts the platform together."""

from django.apps import AppConfig


class RobutlerSiteConfig(AppConfig):
    """Management commands and system checks of the whole."""

    name = "robutler_site"
    verbose_name = "Platform"
