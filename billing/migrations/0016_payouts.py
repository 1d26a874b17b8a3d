"""How what creators have earned leaves the platform: accounts to send it to, batches, payouts."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0015_usage_lines"),
        ("tenants", "0009_sign_in_attempts"),
    ]

    operations = [
        migrations.CreateModel(
            name="PayoutAccount",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("label", models.CharField(help_text="What may be shown of it.", max_length=100)),
                ("sealed", models.BinaryField()),
                ("entered_by", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("replaced_at", models.DateTimeField(null=True)),
                (
                    "data_key",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="tenants.datakey",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
            ],
            options={
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="PayoutBatch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        help_text="Chosen by the caller: it is the idempotency key.", primary_key=True, serialize=False
                    ),
                ),
                ("period", models.CharField(help_text="A month, such as 2026-11.", max_length=7)),
                (
                    "rail",
                    models.CharField(
                        choices=[("manual", "Bank transfer by hand"), ("gateway", "Payment provider")], max_length=8
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("calculated", "Calculated"),
                            ("approved", "Approved"),
                            ("sending", "Sending"),
                            ("closed", "Closed"),
                            ("partially_failed", "Partially failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        db_default="calculated",
                        default="calculated",
                        max_length=16,
                    ),
                ),
                ("watermark", models.PositiveBigIntegerField(help_text="The last transfer that it saw.")),
                ("hold_back_days", models.PositiveSmallIntegerField()),
                ("minimum", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("reserve_basis_points", models.PositiveSmallIntegerField()),
                ("reserve_days", models.PositiveSmallIntegerField()),
                ("calculated_by", models.CharField(max_length=254)),
                ("calculated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("approved_by", models.CharField(db_default="", default="", max_length=254)),
                ("approved_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("period__regex", "^[0-9]{4}-(?:0[1-9]|1[0-2])$")),
                        name="payout_batch_period_form",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("rail__in", ("manual", "gateway"))), name="payout_batch_rail_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ("calculated", "approved", "sending", "closed", "partially_failed", "cancelled"),
                            )
                        ),
                        name="payout_batch_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("calculated_by", ""), _negated=True),
                            models.Q(("approved_by", models.F("calculated_by")), _negated=True),
                        ),
                        name="payout_batch_takes_two_people",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("approved_at__isnull", True),
                                ("approved_by", ""),
                                ("state__in", ("calculated", "cancelled")),
                            ),
                            models.Q(
                                models.Q(("state__in", ("calculated", "cancelled")), _negated=True),
                                models.Q(("approved_by", ""), _negated=True),
                                ("approved_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="payout_batch_approved_before_sent",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reserve_basis_points__lte", 10000)), name="payout_batch_reserve_a_share"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "cancelled"), _negated=True),
                        fields=("period",),
                        name="payout_batch_one_per_period",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "calculated")),
                        fields=("state",),
                        name="payout_batch_one_to_be_approved",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Payout",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("period", models.CharField(max_length=7)),
                ("rail", models.CharField(max_length=8)),
                ("amount", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("amount_cents", models.PositiveBigIntegerField()),
                (
                    "clawback",
                    models.PositiveBigIntegerField(db_default=0, default=0, help_text="Kept for refunds. Nanodollars."),
                ),
                (
                    "fee",
                    models.PositiveBigIntegerField(
                        db_default=0, default=0, help_text="What sending it cost the platform."
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("calculated", "Calculated"),
                            ("pending", "Pending"),
                            ("sent", "Sent"),
                            ("paid", "Paid"),
                            ("failed", "Failed"),
                            ("returned", "Returned"),
                            ("cancelled", "Cancelled"),
                        ],
                        db_default="calculated",
                        default="calculated",
                        max_length=12,
                    ),
                ),
                ("external_ref", models.CharField(max_length=100, null=True)),
                ("attempt", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("tries", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("next_attempt_at", models.DateTimeField(null=True)),
                ("failure_code", models.CharField(db_default="", default="", max_length=64)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("sent_at", models.DateTimeField(null=True)),
                ("paid_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "group",
                    models.OneToOneField(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.transfergroup",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
                (
                    "return_group",
                    models.OneToOneField(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.transfergroup",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.payoutaccount",
                    ),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payouts",
                        to="billing.payoutbatch",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="payoutaccount",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="payout_account_organization_id"),
        ),
        migrations.AddConstraint(
            model_name="payoutaccount",
            constraint=models.UniqueConstraint(
                condition=models.Q(("replaced_at", None)), fields=("organization",), name="payout_account_one_in_use"
            ),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(
                condition=models.Q(("state__in", ("pending", "sent"))), fields=["next_attempt_at"], name="payout_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="payout_amount_positive"),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "amount",
                        django.db.models.expressions.CombinedExpression(
                            models.F("amount_cents"), "*", models.Value(10000000)
                        ),
                    )
                ),
                name="payout_amount_whole_cents",
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ("calculated", "pending", "sent", "paid", "failed", "returned", "cancelled"))
                ),
                name="payout_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ("calculated", "cancelled", "failed")),
                    models.Q(("attempt__gte", 1), ("group__isnull", False)),
                    _connector="OR",
                ),
                name="payout_money_set_aside_first",
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "returned"), _negated=True), ("return_group__isnull", False), _connector="OR"
                ),
                name="payout_returned_with_its_money",
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("paid_at__isnull", False), ("state", "paid")),
                    models.Q(
                        models.Q(("state", "paid"), _negated=True),
                        models.Q(("state", "returned"), ("paid_at__isnull", True), _connector="OR"),
                    ),
                    _connector="OR",
                ),
                name="payout_paid_at_its_moment",
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("failed", "returned")), ("failure_code", ""), _connector="OR"),
                name="payout_failure_has_a_code",
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.UniqueConstraint(
                fields=("batch", "organization"), name="payout_one_per_creator_and_batch"
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.UniqueConstraint(fields=("rail", "external_ref"), name="payout_external_ref"),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="payout_organization_id"),
        ),
        migrations.AddConstraint(
            model_name="payoutbatch",
            constraint=models.UniqueConstraint(fields=("id", "period", "rail"), name="payout_batch_period_and_rail"),
        ),
    ]
