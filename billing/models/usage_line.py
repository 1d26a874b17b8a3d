"""Usage lines: what a charge was made of."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Cast

from tenants.models.tenant import TenantManager


class UsageLine(models.Model):
    """One measured thing at one price, written when the charge ended and never again.

    The billable lines of a part (cost, markup, fee), rounded up together to a whole nanodollar, are that part of the
    settlement. What is not billable is there to be seen: retries, what an own credential paid for. `hold` is empty for
    free work. Prices and amounts are picodollars; where the unit is basis points, `quantity` is the base in nanodollars
    and `price_pico` the basis points.
    """

    pk = models.CompositePrimaryKey("charge_id", "number")
    organization = models.ForeignKey(
        "tenants.Organization", models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    charge = models.ForeignKey(
        "billing.Charge", models.PROTECT, related_name="lines", db_constraint=False, db_index=False
    )
    hold = models.ForeignKey(
        "billing.Hold", models.PROTECT, null=True, related_name="lines", db_constraint=False, db_index=False
    )
    number = models.PositiveSmallIntegerField(help_text="Within the charge, from 1.")
    part = models.CharField(max_length=8, help_text="Whose it is.")
    sku = models.CharField(max_length=200, help_text="A model, a tool, or an agent's address.")
    unit = models.CharField(max_length=24)
    quantity = models.PositiveBigIntegerField()
    price_pico = models.PositiveBigIntegerField()
    amount_pico = models.DecimalField(max_digits=24, decimal_places=0)
    source = models.CharField(max_length=12, help_text="Who measured it.")
    billable = models.BooleanField()
    reason = models.CharField(max_length=64, help_text="Why it is not billable.")
    attempt = models.PositiveSmallIntegerField()
    upstream_request_id = models.CharField(max_length=200)
    price_version = models.ForeignKey(
        "billing.PriceVersion", models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False
    )
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = TenantManager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(part__in=("cost", "markup", "fee")), name="usage_line_part_known"),
            models.CheckConstraint(
                condition=Q(source__in=("provider", "counted", "checkpoint", "estimated", "tool")),
                name="usage_line_source_known",
            ),
            models.CheckConstraint(
                condition=Q(unit="basis_points")
                | Q(
                    amount_pico=Cast("quantity", models.DecimalField(max_digits=24, decimal_places=0)) * F("price_pico")
                ),
                name="usage_line_amount_is_its_product",
            ),
            models.CheckConstraint(condition=Q(amount_pico__gte=0), name="usage_line_amount_not_negative"),
            models.CheckConstraint(
                condition=Q(hold__isnull=True) | Q(hold=F("charge")), name="usage_line_hold_is_of_its_charge"
            ),
        )
        indexes = (models.Index(fields=("organization", "created_at"), name="usage_line_by_organization"),)

    def __str__(self) -> str:
        return f"{self.quantity} {self.unit} of {self.sku}"

    @property
    def is_estimated(self) -> bool:
        """Whether neither the provider nor the tool said so itself."""
        return self.source not in ("provider", "tool")
