"""Budgets: what may be spent in a period, and the windows in which that is counted."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from billing.rating import MOST_NANOS
from tenants.models.tenant import TenantManager


class Budget(models.Model):
    """How much an organization lets be spent in a period: in all, or by a key, an agent, an end user or a token.

    A hard one refuses what does not fit, a soft one only counts and warns.
    """

    class Scope(models.TextChoices):
        """Whose spending counts."""

        ORGANIZATION = "organization", "The organization"
        KEY = "key", "An API key"
        AGENT = "agent", "An agent"
        END_USER = "end_user", "An end user"
        TOKEN = "token", "A payment token"

    class Period(models.TextChoices):
        """After what time counting begins anew."""

        DAY = "day", "Day"
        WEEK = "week", "Week"
        MONTH = "month", "Month"
        TOTAL = "total", "In all"

    class Mode(models.TextChoices):
        """What happens when it is used up."""

        HARD = "hard", "Refuse"
        SOFT = "soft", "Warn"

    id = models.UUIDField(primary_key=True, help_text="Chosen by the caller: it is the idempotency key.")
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+")
    scope = models.CharField(max_length=16, choices=Scope)
    subject = models.CharField(max_length=256, help_text="The id of the key, agent or token, or the end user's own.")
    period = models.CharField(max_length=8, choices=Period)
    time_zone = models.CharField(max_length=64, help_text="Whose days, weeks and months.")
    limit = models.PositiveBigIntegerField(help_text="Nanodollars.")
    mode = models.CharField(max_length=8, choices=Mode)
    alert_percents = ArrayField(models.IntegerField(), size=10, help_text="Shares of the limit at which to warn.")
    active = models.BooleanField(db_default=True, default=True)
    set_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    subject_name = ""
    """What the key or agent is called, where somebody has looked that up."""

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(scope="organization", subject="")
                | (Q(scope__in=("key", "agent", "end_user", "token")) & ~Q(subject="")),
                name="budget_subject_of_scope",
            ),
            models.CheckConstraint(
                condition=Q(period__in=("day", "week", "month", "total")), name="budget_period_known"
            ),
            models.CheckConstraint(condition=Q(mode__in=("hard", "soft")), name="budget_mode_known"),
            models.CheckConstraint(condition=Q(limit__lte=MOST_NANOS), name="budget_limit_bounded"),
            models.UniqueConstraint(fields=("organization", "id"), name="budget_of_organization"),
        )
        indexes = (
            models.Index(
                fields=("organization", "scope", "subject"), name="budget_by_subject", condition=Q(active=True)
            ),
        )

    def __str__(self) -> str:
        whose = f"{self.scope.replace('_', ' ')} {self.subject_name or self.subject}".strip()
        return f"{whose} per {self.period}" if self.period != self.Period.TOTAL else f"{whose} in all"


class BudgetWindow(models.Model):
    """One period of a budget: what runs have reserved of it, and what they have spent.

    `allowed` is what the two may come to together, nothing where the budget only warns. It is the limit, or more after
    the limit was lowered below what was used already.
    """

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey("tenants.Organization", models.PROTECT, related_name="+", db_constraint=False)
    budget = models.ForeignKey(Budget, models.PROTECT, related_name="windows", db_constraint=False, db_index=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    limit = models.PositiveBigIntegerField(help_text="Nanodollars.")
    allowed = models.PositiveBigIntegerField(null=True)
    held = models.PositiveBigIntegerField(db_default=0, default=0)
    spent = models.PositiveBigIntegerField(db_default=0, default=0)

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(allowed__isnull=True) | Q(allowed__gte=F("held") + F("spent")), name="budget_window_fits"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")), name="budget_window_ends_after"
            ),
            models.UniqueConstraint(fields=("budget", "starts_at"), name="budget_window_once"),
            models.UniqueConstraint(fields=("organization", "id"), name="budget_window_of_organization"),
        )

    def __str__(self) -> str:
        return f"{self.budget_id} from {self.starts_at:%Y-%m-%d}"


class HoldBudget(models.Model):
    """A hold counts in a window: in that of the moment when it was opened, to its end."""

    pk = models.CompositePrimaryKey("hold_id", "window_id")
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    hold = models.ForeignKey("billing.Hold", models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    window = models.ForeignKey(BudgetWindow, models.PROTECT, related_name="holds", db_constraint=False)

    objects = TenantManager()

    def __str__(self) -> str:
        return f"{self.hold_id} in {self.window_id}"


class BudgetAlert(models.Model):
    """A share of a budget's window was reached; told once."""

    pk = models.CompositePrimaryKey("window_id", "percent")
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    window = models.ForeignKey(BudgetWindow, models.PROTECT, related_name="alerts", db_constraint=False, db_index=False)
    percent = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = TenantManager()

    def __str__(self) -> str:
        return f"{self.percent} % of {self.window_id}"
