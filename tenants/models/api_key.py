"""A credential of an organization, for programs."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.models.tenant import TenantModel
from tenants.models.user import User


class ApiKey(TenantModel):
    """What is kept of a key: enough to recognise it, not enough to use it."""

    name = models.CharField(max_length=100)
    public_id = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    pepper_version = models.PositiveSmallIntegerField(editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    permissions = ArrayField(models.CharField(max_length=32))
    test_mode = models.BooleanField(default=False, help_text="Reaches only scripted models and is charged nothing.")
    allowed_agents = ArrayField(
        models.UUIDField(), null=True, blank=True, help_text="The only agents it reaches; empty means every one."
    )
    allowed_networks = ArrayField(
        models.CharField(max_length=43),
        null=True,
        blank=True,
        help_text="The only networks it is accepted from, such as 203.0.113.0/24; empty means every one.",
    )
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        constraints = (
            models.UniqueConstraint(fields=("organization", "id"), name="apikey_of_organization"),
            models.CheckConstraint(condition=Q(pepper_version__gte=1), name="apikey_pepper_version"),
        )

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})"

    @property
    def is_usable(self) -> bool:
        """Whether it is neither revoked nor past its time."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())
