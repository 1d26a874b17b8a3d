"""The tenant."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from tenants.ids import Uuid7Field
from tenants.time_zones import LONGEST, refuse_unknown_zone

SLUG = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"


class Organization(models.Model):
    """Who owns agents, keys and money. Its own row is behind the wall as well: `id` is the organization."""

    class Status(models.TextChoices):
        """Whether its keys are served."""

        ACTIVE = "active"
        SUSPENDED = "suspended"

    id = Uuid7Field()
    slug = models.CharField(max_length=63, unique=True, validators=[RegexValidator(SLUG)])
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    time_zone = models.CharField(
        max_length=LONGEST,
        default="UTC",
        db_default="UTC",
        help_text="Where its months begin and end, such as Europe/Riga.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(slug__regex=SLUG), name="organization_slug_form"),
            models.CheckConstraint(condition=Q(status__in=("active", "suspended")), name="organization_status_known"),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """A time zone is one that there is."""
        try:
            refuse_unknown_zone(self.time_zone)
        except ValidationError as error:
            raise ValidationError({"time_zone": error}) from None
