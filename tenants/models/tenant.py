"""What every row that belongs to an organization has in common."""

from typing import TypeVar
from uuid import UUID

from django.db import models

from tenants.context import current_organization, in_platform
from tenants.ids import Uuid7Field
from tenants.models.organization import Organization

Row = TypeVar("Row", bound=models.Model)


class TenantQuerySet(models.QuerySet[Row]):
    """Rows of one organization, or in platform work of all."""


class TenantManager(models.Manager[Row]):
    """Starts every read from the organization of the context, and refuses to start without one."""

    def get_queryset(self) -> models.QuerySet[Row]:
        """The rows of the current organization; all rows in platform work."""
        rows: models.QuerySet[Row] = TenantQuerySet(self.model, using=self._db, hints=self._hints)  # type: ignore[attr-defined]
        if in_platform():
            return rows
        return rows.filter(organization_id=current_organization())


def belonging_to(organization_id: UUID | None) -> models.Q:
    """Rows of that organization; with None those of the platform itself."""
    return models.Q(organization_id=organization_id)


class TenantModel(models.Model):
    """A row of one organization, behind both walls: this manager, and row-level security made by its migration."""

    id = Uuid7Field()
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+")

    objects = TenantManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
