"""Refunds, and the corrections that people post."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0026_grants"), ("tenants", "0009_sign_in_attempts")]

    operations = [
        migrations.CreateModel(
            name="Adjustment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        help_text="Chosen by the caller: it is the idempotency key.", primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("adjustment", "Adjustment"),
                            ("reversal", "Reversal"),
                            ("write_off", "Write-off"),
                            ("chargeback", "Chargeback"),
                        ],
                        max_length=12,
                    ),
                ),
                ("amount", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("reason", models.CharField(max_length=200)),
                ("ticket", models.CharField(help_text="Where the matter is written up.", max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[("requested", "Awaits approval"), ("made", "Posted"), ("rejected", "Rejected")],
                        max_length=12,
                    ),
                ),
                ("requested_by", models.CharField(max_length=254)),
                ("requested_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "alone_up_to",
                    models.PositiveBigIntegerField(help_text="What one person may post alone. Nanodollars."),
                ),
                ("decided_by", models.CharField(db_default="", default="", max_length=254)),
                ("decided_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        help_text="Chosen by the caller: it is the idempotency key.", primary_key=True, serialize=False
                    ),
                ),
                ("amount", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("clawback", models.BooleanField(help_text="Whether the creator returns its part.")),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("quality", "The answer was no good"),
                            ("fault", "A fault of the platform"),
                            ("duplicate", "Charged for the same work twice"),
                            ("fraud", "Somebody else spent it"),
                            ("dispute", "The customer disputes it"),
                            ("goodwill", "Goodwill"),
                        ],
                        max_length=12,
                    ),
                ),
                ("note", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[("requested", "Awaits approval"), ("made", "Made"), ("rejected", "Rejected")],
                        max_length=12,
                    ),
                ),
                ("requested_by", models.CharField(max_length=254)),
                ("requested_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "alone_up_to",
                    models.PositiveBigIntegerField(help_text="What one person may give back alone. Nanodollars."),
                ),
                ("decided_by", models.CharField(db_default="", default="", max_length=254)),
                ("decided_at", models.DateTimeField(null=True)),
                ("from_earnings", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("from_clawback", models.PositiveBigIntegerField(db_default=0, default=0)),
            ],
        ),
        migrations.AddField(
            model_name="adjustment",
            name="credit",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.account",
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="debit",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.account",
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="group",
            field=models.OneToOneField(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="adjustment",
                to="billing.transfergroup",
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="organization",
            field=models.ForeignKey(
                help_text="None between platform accounts.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="reverses",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="billing.transfergroup"
            ),
        ),
        migrations.AddField(
            model_name="adjustment",
            name="top_up",
            field=models.ForeignKey(
                help_text="What was charged back.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.topup",
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="group",
            field=models.OneToOneField(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="refund",
                to="billing.transfergroup",
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
            ),
        ),
        migrations.AddField(
            model_name="refund",
            name="settlement",
            field=models.ForeignKey(
                db_column="hold_id",
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="refunds",
                to="billing.settlement",
            ),
        ),
        migrations.AddIndex(
            model_name="adjustment",
            index=models.Index(fields=["organization", "-requested_at"], name="adjustment_by_organization"),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("amount__lte", 1000000000000000000)),
                name="adjustment_amount_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("credit__isnull", True),
                        ("debit__isnull", True),
                        ("kind", "reversal"),
                        ("reverses__isnull", False),
                    ),
                    models.Q(
                        ("debit__isnull", False),
                        ("kind__in", ("adjustment", "write_off", "chargeback")),
                        ("reverses__isnull", True),
                        ("credit__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="adjustment_of_its_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("debit__isnull", True), models.Q(("debit", models.F("credit")), _negated=True), _connector="OR"
                ),
                name="adjustment_between_two_accounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("group__isnull", True), ("state", "requested")),
                    models.Q(("decided_at__isnull", False), ("group__isnull", True), ("state", "rejected")),
                    models.Q(("decided_at__isnull", False), ("group__isnull", False), ("state", "made")),
                    _connector="OR",
                ),
                name="adjustment_group_of_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "made"), _negated=True),
                    ("kind", "chargeback"),
                    ("amount__lte", models.F("alone_up_to")),
                    models.Q(("decided_by", models.F("requested_by")), _negated=True),
                    _connector="OR",
                ),
                name="adjustment_by_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="adjustment_organization_id"),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(fields=["organization", "-requested_at"], name="refund_by_organization"),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("amount__lte", 1000000000000000000)),
                name="refund_amount_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason__in", ("quality", "fault", "duplicate", "fraud", "dispute", "goodwill"))),
                name="refund_reason_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("group__isnull", True), ("state", "requested")),
                    models.Q(("decided_at__isnull", False), ("group__isnull", True), ("state", "rejected")),
                    models.Q(("decided_at__isnull", False), ("group__isnull", False), ("state", "made")),
                    _connector="OR",
                ),
                name="refund_group_of_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "made"), _negated=True),
                    ("amount__lte", models.F("alone_up_to")),
                    models.Q(("decided_by", models.F("requested_by")), _negated=True),
                    _connector="OR",
                ),
                name="refund_by_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "amount__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("from_earnings"), "+", models.F("from_clawback")
                        ),
                    ),
                    models.Q(("clawback", True), models.Q(("from_clawback", 0), ("from_earnings", 0)), _connector="OR"),
                ),
                name="refund_creators_part_within",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="refund_organization_id"),
        ),
    ]
