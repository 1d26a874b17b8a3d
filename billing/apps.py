"""The billing application."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Money: accounts, holds, settlements, prices."""

    name = "billing"
    default_auto_field = "django.db.models.BigAutoField"
