"""What a charge was made of: lines, written when it ends and never again."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.datetime
from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"

WALL = """
ALTER TABLE billing_usageline ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_usageline FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON billing_usageline FOR SELECT TO robutler_app
    USING (organization_id = robutler_organization());
CREATE POLICY owner ON billing_usageline TO robutler_owner USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON billing_usageline FROM robutler_app, robutler_platform;
GRANT SELECT, INSERT ON billing_usageline TO robutler_ledger;
"""

REFERENCES = """
ALTER TABLE billing_usageline ADD CONSTRAINT usage_line_charge
    FOREIGN KEY (organization_id, charge_id) REFERENCES billing_charge (organization_id, id);
"""


def exact(field):
    """A whole number of any size."""
    return django.db.models.functions.comparison.Cast(field, models.DecimalField(decimal_places=0, max_digits=24))


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0014_trees_of_holds"),
        ("tenants", "0009_sign_in_attempts"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageLine",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "charge_id", "number", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "charge",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="billing.charge",
                    ),
                ),
                (
                    "hold",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="billing.hold",
                    ),
                ),
                ("number", models.PositiveSmallIntegerField(help_text="Within the charge, from 1.")),
                ("part", models.CharField(help_text="Whose it is.", max_length=8)),
                ("sku", models.CharField(help_text="A model, a tool, or an agent's address.", max_length=200)),
                ("unit", models.CharField(max_length=24)),
                ("quantity", models.PositiveBigIntegerField()),
                ("price_pico", models.PositiveBigIntegerField()),
                ("amount_pico", models.DecimalField(decimal_places=0, max_digits=24)),
                ("source", models.CharField(help_text="Who measured it.", max_length=12)),
                ("billable", models.BooleanField()),
                ("reason", models.CharField(help_text="Why it is not billable.", max_length=64)),
                ("attempt", models.PositiveSmallIntegerField()),
                ("upstream_request_id", models.CharField(max_length=200)),
                (
                    "price_version",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.priceversion",
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [
                    models.Index(fields=["organization", "created_at"], name="usage_line_by_organization"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("part__in", ("cost", "markup", "fee"))), name="usage_line_part_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("source__in", ("provider", "counted", "checkpoint", "estimated", "tool"))),
                        name="usage_line_source_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("unit", "basis_points"),
                            (
                                "amount_pico",
                                django.db.models.expressions.CombinedExpression(
                                    exact("quantity"), "*", models.F("price_pico")
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="usage_line_amount_is_its_product",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount_pico__gte", 0)), name="usage_line_amount_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("hold__isnull", True), ("hold", models.F("charge")), _connector="OR"),
                        name="usage_line_hold_is_of_its_charge",
                    ),
                ],
            },
        ),
        migrations.RunSQL(WALL, migrations.RunSQL.noop),
        migrations.RunSQL(REFERENCES, migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "usage_lines.sql").read_text(), migrations.RunSQL.noop),
    ]
