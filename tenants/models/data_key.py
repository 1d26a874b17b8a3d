"""The key that seals an organization's secrets."""

from django.db import models
from django.db.models import Q

from tenants.ids import Uuid7Field
from tenants.models.organization import Organization
from tenants.models.tenant import TenantManager


class DataKey(models.Model):
    """A key of AES-256, wrapped by the installation's key-encryption key; without an organization, the platform's.

    Deleting it shreds everything that was sealed with it.
    """

    id = Uuid7Field()
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, blank=True, related_name="+")
    wrapped = models.BinaryField(editable=False)
    wrapped_by = models.CharField(max_length=16, editable=False, help_text="Fingerprint of the key-encryption key.")
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True, help_text="Opens what it sealed, seals nothing new.")

    objects = TenantManager()

    class Meta:
        base_manager_name = "objects"
        constraints = (
            models.UniqueConstraint(fields=("organization", "id"), name="datakey_of_organization"),
            models.UniqueConstraint(
                fields=("organization",),
                condition=Q(retired_at=None),
                nulls_distinct=False,
                name="datakey_one_in_use",
            ),
        )

    def __str__(self) -> str:
        return str(self.id)
