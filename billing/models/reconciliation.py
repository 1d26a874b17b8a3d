"""What shows that the books hold: seals, looks at the invariants, reconciliations, and what they left open."""

from django.db import models
from django.db.models import F, Q


class Seal(models.Model):
    """A digest over the transfers from `first` to `last` with their groups, and over the seal before: a chain."""

    number = models.PositiveBigIntegerField(primary_key=True)
    first = models.PositiveBigIntegerField()
    last = models.PositiveBigIntegerField()
    transfers = models.PositiveBigIntegerField()
    previous = models.BinaryField()
    digest = models.BinaryField()
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(last__gte=F("first")), name="seal_covers_something"),
            models.UniqueConstraint(fields=("first",), name="seal_covers_once"),
        )

    def __str__(self) -> str:
        return f"Seal {self.number}"


class InvariantRun(models.Model):
    """One look at what must always hold; `found` says by name how many rows break it."""

    id = models.BigAutoField(primary_key=True)
    is_full = models.BooleanField(help_text="Whether everything was looked at, or only what is cheap.")
    found = models.JSONField()
    violations = models.PositiveBigIntegerField()
    took_ms = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        indexes = (models.Index(fields=("is_full", "-id"), name="invariant_run_latest"),)

    def __str__(self) -> str:
        return f"{self.violations} violations"


class Reconciliation(models.Model):
    """One reconciliation of a day, and what each of its rules came to."""

    id = models.BigAutoField(primary_key=True)
    day = models.DateField()
    actor = models.CharField(max_length=254, db_default="", default="")
    findings = models.JSONField()
    breaks = models.PositiveIntegerField()
    took_ms = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=models.functions.Now())

    def __str__(self) -> str:
        return f"Reconciliation of {self.day}"


class Discrepancy(models.Model):
    """Something a reconciliation found to differ, open until a person has explained it."""

    id = models.BigAutoField(primary_key=True)
    reconciliation = models.ForeignKey(Reconciliation, models.PROTECT, related_name="discrepancies")
    rule = models.CharField(max_length=8)
    subject = models.CharField(max_length=250)
    ours = models.BigIntegerField()
    theirs = models.BigIntegerField()
    explanation = models.CharField(max_length=500, db_default="", default="")
    explained_by = models.CharField(max_length=254, db_default="", default="")
    explained_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        verbose_name_plural = "discrepancies"
        constraints = (
            models.UniqueConstraint(
                fields=("rule", "subject"), condition=Q(explained_at__isnull=True), name="discrepancy_open_once"
            ),
            models.CheckConstraint(
                condition=Q(explained_at__isnull=True, explanation="")
                | (Q(explained_at__isnull=False) & ~Q(explanation="") & ~Q(explained_by="")),
                name="discrepancy_explained_by_somebody",
            ),
        )

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}"
