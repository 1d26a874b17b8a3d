"""Charges, the holds that reserve money for them, and how they ended."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0001_accounts_and_prices"),
    ]

    operations = [
        migrations.CreateModel(
            name="Charge",
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
                        help_text="Who pays.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                ("run_id", models.UUIDField(db_index=True)),
                (
                    "parent",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="billing.charge",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("run", "Run"), ("tool", "Tool"), ("agent", "Agent"), ("handoff", "Handoff")],
                        max_length=8,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("authorized", "Authorized"),
                            ("finished", "Finished"),
                            ("failed", "Failed"),
                            ("disconnected", "Disconnected"),
                            ("cancelled", "Cancelled"),
                            ("orphaned", "Orphaned"),
                        ],
                        max_length=12,
                    ),
                ),
                ("reference", models.CharField(max_length=200)),
                ("agent_id", models.UUIDField(null=True)),
                (
                    "beneficiary",
                    models.ForeignKey(
                        help_text="Who earns the markup.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "price_version",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.priceversion",
                    ),
                ),
                (
                    "platform_credential",
                    models.BooleanField(help_text="Whether the platform's own key pays the provider."),
                ),
                ("idempotency_key", models.CharField(max_length=255, null=True)),
                ("finish_reason", models.CharField(db_default="", default="", max_length=32)),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["organization", "-started_at"], name="charge_by_organization"),
                    models.Index(
                        condition=models.Q(("parent__isnull", False)), fields=["parent"], name="charge_by_parent"
                    ),
                    models.Index(
                        condition=models.Q(("status", "authorized")), fields=["started_at"], name="charge_unfinished"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ("run", "tool", "agent", "handoff"))), name="charge_kind_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                ("authorized", "finished", "failed", "disconnected", "cancelled", "orphaned"),
                            )
                        ),
                        name="charge_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("finished_at__isnull", True), ("status", "authorized")),
                            models.Q(models.Q(("status", "authorized"), _negated=True), ("finished_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="charge_finished_at_its_end",
                    ),
                    models.UniqueConstraint(fields=("organization", "idempotency_key"), name="charge_idempotency_key"),
                    models.UniqueConstraint(fields=("organization", "id"), name="charge_organization_id"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Hold",
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
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="holds",
                        to="billing.account",
                    ),
                ),
                (
                    "charge",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="hold",
                        to="billing.charge",
                    ),
                ),
                ("amount", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                (
                    "accrued_cost",
                    models.PositiveBigIntegerField(db_default=0, default=0, help_text="Spent by the last checkpoint."),
                ),
                ("accrued_markup", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("accrued_fee", models.PositiveBigIntegerField(db_default=0, default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("settled", "Settled"),
                            ("released", "Released"),
                            ("expired", "Expired"),
                            ("late", "Settled late"),
                        ],
                        db_default="open",
                        default="open",
                        max_length=8,
                    ),
                ),
                ("expires_at", models.DateTimeField()),
                ("opened_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("closed_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "open")), fields=["expires_at"], name="hold_open_by_expiry"
                    ),
                    models.Index(
                        condition=models.Q(("state", "open")), fields=["account"], name="hold_open_by_account"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="hold_amount_positive"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("accrued_cost__lte", 1_000_000_000_000_000_000),
                            ("accrued_fee__lte", 1_000_000_000_000_000_000),
                            ("accrued_markup__lte", 1_000_000_000_000_000_000),
                        ),
                        name="hold_accrued_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ("open", "settled", "released", "expired", "late"))),
                        name="hold_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at__isnull", True), ("state", "open")),
                            models.Q(models.Q(("state", "open"), _negated=True), ("closed_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="hold_closed_at_its_end",
                    ),
                    models.UniqueConstraint(fields=("organization", "id"), name="hold_organization_id"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Settlement",
            fields=[
                (
                    "hold",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="settlement",
                        serialize=False,
                        to="billing.hold",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "beneficiary",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                ("platform_credential", models.BooleanField()),
                ("source", models.CharField(help_text="Who measured the usage.", max_length=12)),
                ("late", models.BooleanField()),
                ("cost", models.PositiveBigIntegerField()),
                ("markup", models.PositiveBigIntegerField()),
                ("fee", models.PositiveBigIntegerField()),
                ("reserved", models.PositiveBigIntegerField()),
                ("overrun", models.PositiveBigIntegerField()),
                ("charged", models.PositiveBigIntegerField()),
                ("creator_share", models.PositiveBigIntegerField()),
                ("platform_share", models.PositiveBigIntegerField()),
                ("loss", models.PositiveBigIntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "charged",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("creator_share"), "+", models.F("platform_share")
                                ),
                            )
                        ),
                        name="settlement_shares_are_the_charge",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "charged__lte",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("cost"), "+", models.F("markup")
                                    ),
                                    "+",
                                    models.F("fee"),
                                ),
                            )
                        ),
                        name="settlement_never_above_its_price",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "charged__lte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("reserved"), "+", models.F("overrun")
                                ),
                            )
                        ),
                        name="settlement_within_its_means",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("loss__lte", models.F("cost")),
                            models.Q(("platform_credential", True), ("loss", 0), _connector="OR"),
                        ),
                        name="settlement_loss_is_unpaid_cost",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("source__in", ("provider", "counted", "checkpoint", "estimated"))),
                        name="settlement_source_known",
                    ),
                ],
            },
        ),
    ]
