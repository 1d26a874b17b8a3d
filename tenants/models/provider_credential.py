"""A key for somebody else's service."""

from django.db import models

from tenants.ids import Uuid7Field
from tenants.models.data_key import DataKey
from tenants.models.organization import Organization
from tenants.models.tenant import TenantManager


class ProviderCredential(models.Model):
    """A provider's secret, sealed; without an organization it is the platform's. It is written and never shown."""

    id = Uuid7Field()
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, blank=True, related_name="+")
    provider = models.CharField(max_length=64, help_text="As in a model's name before the slash: openai, anthropic.")
    label = models.CharField(max_length=100, default="default", help_text="Tells several of one provider apart.")
    base_url = models.CharField(max_length=500, blank=True, help_text="Where the provider is, if not at its own place.")
    sealed = models.BinaryField(editable=False)
    data_key = models.ForeignKey(DataKey, models.PROTECT, db_constraint=False, related_name="+", editable=False)
    last_four = models.CharField(max_length=4, blank=True, editable=False)
    unpriced_allowed = models.BooleanField(
        default=False, help_text="Agents with a price of their own may use models without one. Staff only."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = TenantManager()

    class Meta:
        base_manager_name = "objects"
        constraints = (
            models.UniqueConstraint(fields=("organization", "id"), name="providercredential_of_organization"),
            models.UniqueConstraint(
                fields=("organization", "provider", "label"), nulls_distinct=False, name="providercredential_label"
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider}/{self.label}"
