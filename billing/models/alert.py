"""Alerts: what an organization wants to be warned of."""

from django.db import models
from django.db.models import Q

from tenants.models.tenant import TenantManager


class BalanceAlert(models.Model):
    """Below which available balance an organization is warned: once, and again only after it has recovered."""

    organization = models.OneToOneField("tenants.Organization", models.PROTECT, primary_key=True, related_name="+")
    below = models.PositiveBigIntegerField(help_text="Nanodollars.")
    told = models.PositiveIntegerField(db_default=0, default=0, help_text="How often it was warned.")
    is_low = models.BooleanField(db_default=False, default=False)

    objects = TenantManager()

    class Meta:
        base_manager_name = "objects"
        constraints = (models.CheckConstraint(condition=Q(below__gt=0), name="balance_alert_below_something"),)

    def __str__(self) -> str:
        return f"Alert below {self.below}"
