"""Transfers between accounts, and the top-ups they begin with."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0002_charges_and_holds"),
    ]

    operations = [
        migrations.CreateModel(
            name="TransferGroup",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "key",
                    models.CharField(
                        help_text="Once per key, however often it is asked for.", max_length=96, unique=True
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("top_up", "Top-up"),
                            ("settlement", "Settlement"),
                            ("late_settlement", "Late settlement"),
                            ("unheld_loss", "Loss without a hold"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        help_text="Whose doing.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "charge",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transfer_groups",
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
                        related_name="+",
                        to="billing.hold",
                    ),
                ),
                (
                    "reverses",
                    models.OneToOneField(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reversed_by",
                        to="billing.transfergroup",
                    ),
                ),
                ("actor", models.CharField(db_default="", default="", max_length=254)),
                ("memo", models.CharField(db_default="", default="", max_length=200)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["organization", "id"], name="transfer_group_by_owner")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ("top_up", "settlement", "late_settlement", "unheld_loss"))),
                        name="transfer_group_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("hold__isnull", False), ("kind__in", ("settlement", "late_settlement"))),
                            models.Q(
                                ("hold__isnull", True),
                                models.Q(("kind__in", ("settlement", "late_settlement")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="transfer_group_hold_of_kind",
                    ),
                    models.UniqueConstraint(fields=("hold",), name="transfer_group_one_per_hold"),
                    models.UniqueConstraint(fields=("organization", "id"), name="transfer_group_organization_id"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transfers",
                        to="billing.transfergroup",
                    ),
                ),
                ("line", models.PositiveSmallIntegerField()),
                (
                    "debit",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="debits",
                        to="billing.account",
                    ),
                ),
                (
                    "credit",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credits",
                        to="billing.account",
                    ),
                ),
                (
                    "debit_organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "credit_organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                ("amount", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [
                    models.Index(fields=["debit", "id"], name="transfer_by_debit"),
                    models.Index(fields=["credit", "id"], name="transfer_by_credit"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="transfer_amount_positive"),
                    models.CheckConstraint(
                        condition=models.Q(("debit", models.F("credit")), _negated=True),
                        name="transfer_between_two_accounts",
                    ),
                    models.UniqueConstraint(fields=("group", "line"), name="transfer_line"),
                ],
            },
        ),
        migrations.CreateModel(
            name="TopUp",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        help_text="Chosen by the caller: it is the idempotency key.", primary_key=True, serialize=False
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
                ("amount", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("rail", models.CharField(db_default="manual", default="manual", max_length=16)),
                ("reference", models.CharField(max_length=200)),
                ("actor", models.CharField(max_length=254)),
                (
                    "group",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="top_up",
                        to="billing.transfergroup",
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="top_up_amount_positive"),
                    models.CheckConstraint(
                        condition=models.Q(("amount__lte", 1_000_000_000_000_000_000)), name="top_up_amount_bounded"
                    ),
                    models.CheckConstraint(condition=models.Q(("rail__in", ("manual",))), name="top_up_rail_known"),
                    models.UniqueConstraint(fields=("organization", "id"), name="top_up_organization_id"),
                ],
            },
        ),
    ]
