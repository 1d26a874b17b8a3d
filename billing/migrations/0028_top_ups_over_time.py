"""Top-ups that take their time, the events of gateways, and why a wallet stands still."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0027_refunds_and_adjustments"), ("tenants", "0009_sign_in_attempts")]

    operations = [
        migrations.CreateModel(
            name="GatewayEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("rail", models.CharField(max_length=16)),
                ("event_id", models.CharField(max_length=200)),
                ("kind", models.CharField(max_length=64)),
                ("object_id", models.CharField(max_length=200)),
                ("body", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[("received", "Received"), ("processed", "Processed"), ("ignored", "Of no concern")],
                        db_default="received",
                        default="received",
                        max_length=10,
                    ),
                ),
                ("outcome", models.CharField(db_default="", default="", max_length=32)),
                ("received_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("processed_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="topup",
            name="top_up_rail_known",
        ),
        migrations.AddField(
            model_name="account",
            name="status_reason",
            field=models.CharField(db_default="", default="", help_text="Why it is not open.", max_length=200),
        ),
        migrations.AddField(
            model_name="topup",
            name="alone_up_to",
            field=models.PositiveBigIntegerField(
                db_default=1000000000000000000,
                default=1000000000000000000,
                help_text="What one person may enter alone. Nanodollars.",
            ),
        ),
        migrations.AddField(
            model_name="topup",
            name="decided_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="topup",
            name="decided_by",
            field=models.CharField(db_default="", default="", max_length=254),
        ),
        migrations.AddField(
            model_name="topup",
            name="external_id",
            field=models.CharField(max_length=200, null=True),
        ),
        migrations.AddField(
            model_name="topup",
            name="page_url",
            field=models.CharField(db_default="", default="", help_text="Where it can be paid.", max_length=2000),
        ),
        migrations.AddField(
            model_name="topup",
            name="payment_id",
            field=models.CharField(max_length=200, null=True),
        ),
        migrations.AddField(
            model_name="topup",
            name="state",
            field=models.CharField(
                choices=[
                    ("created", "Created"),
                    ("pending", "Pending"),
                    ("credited", "Credited"),
                    ("failed", "Failed"),
                    ("canceled", "Canceled"),
                    ("refunded", "Refunded"),
                    ("disputed", "Disputed"),
                ],
                db_default="credited",
                default="credited",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="topup",
            name="group",
            field=models.OneToOneField(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="top_up",
                to="billing.transfergroup",
            ),
        ),
        migrations.AlterField(
            model_name="topup",
            name="rail",
            field=models.CharField(
                choices=[("manual", "Entered by hand"), ("stripe", "Stripe")],
                db_default="manual",
                default="manual",
                max_length=16,
            ),
        ),
        migrations.AddIndex(
            model_name="topup",
            index=models.Index(
                condition=models.Q(("state__in", ("created", "pending"))),
                fields=["created_at"],
                name="top_up_unfinished",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(("rail__in", ("manual", "stripe"))), name="top_up_rail_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("group__isnull", True), ("state__in", ("created", "pending", "failed", "canceled"))),
                    models.Q(("group__isnull", False), ("state__in", ("credited", "canceled", "refunded", "disputed"))),
                    _connector="OR",
                ),
                name="top_up_group_of_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("group__isnull", True),
                    models.Q(("rail", "manual"), _negated=True),
                    ("amount__lte", models.F("alone_up_to")),
                    models.Q(
                        models.Q(("decided_by", ""), _negated=True),
                        models.Q(("decided_by", models.F("actor")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="top_up_by_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(fields=("rail", "external_id"), name="top_up_one_per_external_id"),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(fields=("rail", "payment_id"), name="top_up_one_per_payment"),
        ),
        migrations.AddConstraint(
            model_name="gatewayevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("processed_at__isnull", True), ("state", "received")),
                    models.Q(("processed_at__isnull", False), ("state__in", ("processed", "ignored"))),
                    _connector="OR",
                ),
                name="gateway_event_processed_at_its_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="gatewayevent",
            constraint=models.UniqueConstraint(fields=("rail", "event_id"), name="gateway_event_once"),
        ),
    ]
