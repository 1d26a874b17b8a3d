"""A seat in an organization."""

from django.db import models
from django.db.models import Q

from tenants.models.tenant import TenantModel
from tenants.models.user import User
from tenants.roles import Role, permissions_of


class Membership(TenantModel):
    """What one person may do in one organization."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    role = models.CharField(max_length=16, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("organization", "id"), name="membership_of_organization"),
            models.UniqueConstraint(fields=("organization", "user"), name="membership_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        )

    def __str__(self) -> str:
        return f"{self.role} {self.user}"

    @property
    def permissions(self) -> frozenset[str]:
        """Everything this seat allows."""
        return permissions_of(self.role)
