"""How much may be asked for in a time, where the platform's defaults are not to hold."""

from django.db import models
from django.db.models import Q

from tenants import limits
from tenants.models.tenant import TenantModel


class RateLimit(TenantModel):
    """One rule about one subject; what it leaves empty is as it would be without it.

    Staff and members have a rule each: staff replace the platform's defaults, members only lower what then holds.
    """

    class Kind(models.TextChoices):
        """Whom a rule is about."""

        ORGANIZATION = limits.ORGANIZATION, "The organization: all its keys together"
        KEY = limits.KEY, "An API key"
        AGENT = limits.AGENT, "An agent: all its callers together"
        END_USER = limits.END_USER, "An end user of the organization"

    kind = models.CharField(max_length=16, choices=Kind)
    subject = models.CharField(
        max_length=512, blank=True, help_text="The id of the key or agent, or the end user's own; empty for all."
    )
    set_by_staff = models.BooleanField(default=False, editable=False)
    requests_per_second = models.PositiveIntegerField(null=True, blank=True)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    requests_per_hour = models.PositiveIntegerField(null=True, blank=True)
    requests_per_day = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    reads_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of requests that run nothing, such as lists."
    )
    max_parallel = models.PositiveIntegerField(null=True, blank=True, verbose_name="requests at once")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("organization", "id"), name="ratelimit_of_organization"),
            models.UniqueConstraint(fields=("organization", "kind", "subject", "set_by_staff"), name="ratelimit_once"),
            models.CheckConstraint(
                condition=Q(kind="organization", subject="")
                | Q(kind="end_user")
                | Q(kind__in=("key", "agent")) & ~Q(subject=""),
                name="ratelimit_subject",
            ),
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gte": 1}), name=f"ratelimit_{name}"
                )
                for name in limits.NAMES
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}".strip()

    @property
    def limits(self) -> limits.Limits:
        """What it says."""
        return limits.Limits(**{name: getattr(self, name) for name in limits.NAMES})
