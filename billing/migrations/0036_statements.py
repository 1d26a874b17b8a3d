"""Months of wallets, closed for good."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0035_words_of_budgets"),
        ("tenants", "0010_time_zones"),
    ]

    operations = [
        migrations.CreateModel(
            name="Statement",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("period", models.CharField(help_text="A month, such as 2026-11.", max_length=7)),
                ("time_zone", models.CharField(max_length=64)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("after_transfer", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("last_transfer", models.PositiveBigIntegerField()),
                ("transfers", models.PositiveIntegerField(help_text="How many.")),
                ("opening", models.BigIntegerField(help_text="Nanodollars.")),
                ("top_ups", models.BigIntegerField()),
                ("grants", models.BigIntegerField()),
                ("usage", models.BigIntegerField()),
                ("refunds", models.BigIntegerField()),
                ("expiries", models.BigIntegerField()),
                ("adjustments", models.BigIntegerField()),
                ("closing", models.BigIntegerField()),
                ("closed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
                (
                    "previous",
                    models.OneToOneField(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="next",
                        to="billing.statement",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="StatementFile",
            fields=[
                (
                    "statement",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="file",
                        serialize=False,
                        to="billing.statement",
                    ),
                ),
                ("pdf", models.BinaryField()),
                ("sha256", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="statement",
            constraint=models.CheckConstraint(
                condition=models.Q(("period__regex", "^[0-9]{4}-(?:0[1-9]|1[0-2])$")), name="statement_period_form"
            ),
        ),
        migrations.AddConstraint(
            model_name="statement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "closing",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            django.db.models.expressions.CombinedExpression(
                                                models.F("opening"), "+", models.F("top_ups")
                                            ),
                                            "+",
                                            models.F("grants"),
                                        ),
                                        "-",
                                        models.F("usage"),
                                    ),
                                    "+",
                                    models.F("refunds"),
                                ),
                                "-",
                                models.F("expiries"),
                            ),
                            "+",
                            models.F("adjustments"),
                        ),
                    )
                ),
                name="statement_adds_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="statement",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gt", models.F("starts_at"))), name="statement_ends_after_its_start"
            ),
        ),
        migrations.AddConstraint(
            model_name="statement",
            constraint=models.CheckConstraint(
                condition=models.Q(("last_transfer__gte", models.F("after_transfer"))),
                name="statement_transfers_in_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="statement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("previous__isnull", False), models.Q(("after_transfer", 0), ("opening", 0)), _connector="OR"
                ),
                name="statement_first_from_zero",
            ),
        ),
        migrations.AddConstraint(
            model_name="statement",
            constraint=models.UniqueConstraint(fields=("organization", "period"), name="statement_one_per_period"),
        ),
        migrations.AddConstraint(
            model_name="statement",
            constraint=models.UniqueConstraint(
                condition=models.Q(("previous", None)), fields=("organization",), name="statement_one_is_the_first"
            ),
        ),
        migrations.AddConstraint(
            model_name="statement",
            constraint=models.UniqueConstraint(
                fields=("organization", "id", "closing", "last_transfer", "ends_at"), name="statement_what_it_ends_with"
            ),
        ),
    ]
