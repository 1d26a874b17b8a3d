"""Figures by the hour, seals over the journal, and what was found when the books were looked at."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0011_chart_of_accounts"),
        ("tenants", "0009_sign_in_attempts"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE billing_settlement_number; GRANT USAGE ON SEQUENCE billing_settlement_number TO robutler_ledger;",
            "DROP SEQUENCE billing_settlement_number;",
        ),
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("actor", models.CharField(db_default="", default="", max_length=254)),
                ("findings", models.JSONField()),
                ("breaks", models.PositiveIntegerField()),
                ("took_ms", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="Watermark",
            fields=[
                ("job", models.CharField(max_length=16, primary_key=True, serialize=False)),
                (
                    "settlement",
                    models.PositiveBigIntegerField(db_default=0, default=0, help_text="Read up to this number."),
                ),
                ("transfer", models.PositiveBigIntegerField(db_default=0, default=0, help_text="Read up to this id.")),
                ("next_settlement", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("next_transfer", models.PositiveBigIntegerField(db_default=0, default=0)),
                (
                    "horizon",
                    models.BigIntegerField(
                        help_text="Transactions before this one may still write below `next`.", null=True
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="settlement",
            name="number",
            field=models.BigIntegerField(
                db_default=models.Func(models.Value("billing_settlement_number"), function="nextval"),
                help_text="In the order in which they were begun.",
                unique=True,
            ),
        ),
        migrations.CreateModel(
            name="InvariantRun",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("is_full", models.BooleanField(help_text="Whether everything was looked at, or only what is cheap.")),
                ("found", models.JSONField()),
                ("violations", models.PositiveBigIntegerField()),
                ("took_ms", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["is_full", "-id"], name="invariant_run_latest")],
            },
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                ("number", models.PositiveBigIntegerField(primary_key=True, serialize=False)),
                ("first", models.PositiveBigIntegerField()),
                ("last", models.PositiveBigIntegerField()),
                ("transfers", models.PositiveBigIntegerField()),
                ("previous", models.BinaryField()),
                ("digest", models.BinaryField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("last__gte", models.F("first"))), name="seal_covers_something"
                    ),
                    models.UniqueConstraint(fields=("first",), name="seal_covers_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="JournalHour",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("hour", models.DateTimeField()),
                ("kind", models.CharField(max_length=24)),
                ("transfers", models.PositiveBigIntegerField()),
                ("amount", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                (
                    "credit",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.account",
                    ),
                ),
                (
                    "debit",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.account",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("hour", "kind", "debit", "credit"), name="journal_hour_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Discrepancy",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("rule", models.CharField(max_length=8)),
                ("subject", models.CharField(max_length=250)),
                ("ours", models.BigIntegerField()),
                ("theirs", models.BigIntegerField()),
                ("explanation", models.CharField(db_default="", default="", max_length=500)),
                ("explained_by", models.CharField(db_default="", default="", max_length=254)),
                ("explained_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "reconciliation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="discrepancies",
                        to="billing.reconciliation",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "discrepancies",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("explained_at__isnull", True)),
                        fields=("rule", "subject"),
                        name="discrepancy_open_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("explained_at__isnull", True), ("explanation", "")),
                            models.Q(
                                ("explained_at__isnull", False),
                                models.Q(("explanation", ""), _negated=True),
                                models.Q(("explained_by", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="discrepancy_explained_by_somebody",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageHour",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("hour", models.DateTimeField()),
                ("agent_id", models.UUIDField(null=True)),
                ("reference", models.CharField(max_length=200)),
                ("model", models.CharField(db_default="", default="", max_length=200)),
                ("key_id", models.UUIDField(null=True)),
                ("calls", models.PositiveBigIntegerField()),
                ("input_tokens", models.PositiveBigIntegerField()),
                ("output_tokens", models.PositiveBigIntegerField()),
                ("charged", models.PositiveBigIntegerField()),
                ("cost", models.PositiveBigIntegerField()),
                ("own_cost", models.PositiveBigIntegerField()),
                ("markup", models.PositiveBigIntegerField()),
                ("fee", models.PositiveBigIntegerField()),
                ("creator_share", models.PositiveBigIntegerField()),
                ("platform_share", models.PositiveBigIntegerField()),
                ("loss", models.PositiveBigIntegerField()),
                ("estimated", models.PositiveBigIntegerField()),
                (
                    "beneficiary",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Whose agent.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        help_text="Who pays.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["organization", "hour"], name="usage_hour_by_organization")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour", "organization", "beneficiary", "agent_id", "reference", "model", "key_id"),
                        name="usage_hour_once",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "charged",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("creator_share"), "+", models.F("platform_share")
                                ),
                            )
                        ),
                        name="usage_hour_shares_are_the_charge",
                    ),
                ],
            },
        ),
    ]
