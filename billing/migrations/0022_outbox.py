"""News of money on its way to those who listen, and what organizations want to be warned of."""

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"

OWN = "organization_id = robutler_organization()"
WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {table} {scope} TO robutler_app USING ({own}) {check};
CREATE POLICY owner ON {table} TO robutler_owner USING (true) WITH CHECK (true);
"""
KEPT = ("billing_webhookendpoint", "billing_balancealert")  # by organizations themselves
SHOWN = ("billing_outboxevent", "billing_delivery")

RIGHTS = """
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON billing_outboxevent, billing_delivery FROM robutler_app, robutler_platform;
GRANT UPDATE (published_at) ON billing_outboxevent TO robutler_platform;
GRANT INSERT, UPDATE ON billing_delivery TO robutler_platform;
GRANT SELECT, INSERT ON billing_outboxevent TO robutler_ledger;
GRANT SELECT ON billing_webhookendpoint, billing_balancealert TO robutler_ledger;
GRANT UPDATE (told, is_low) ON billing_balancealert TO robutler_ledger;
ALTER TABLE billing_delivery ADD CONSTRAINT delivery_event
    FOREIGN KEY (organization_id, event_id) REFERENCES billing_outboxevent (organization_id, id);
ALTER TABLE billing_delivery ADD CONSTRAINT delivery_endpoint
    FOREIGN KEY (organization_id, endpoint_id) REFERENCES billing_webhookendpoint (organization_id, id)
    ON DELETE CASCADE;
REVOKE ALL ON FUNCTION billing_tell, billing_listens, billing_tell_settled, billing_warn_of_balances FROM PUBLIC;
ALTER FUNCTION billing_tell OWNER TO robutler_ledger;
ALTER FUNCTION billing_listens OWNER TO robutler_ledger;
ALTER FUNCTION billing_tell_settled OWNER TO robutler_ledger;
ALTER FUNCTION billing_warn_of_balances OWNER TO robutler_ledger;
GRANT EXECUTE ON FUNCTION billing_warn_of_balances TO robutler_platform;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0021_reviewed_prices"),
        ("tenants", "0009_sign_in_attempts"),
    ]

    operations = [
        migrations.CreateModel(
            name="BalanceAlert",
            fields=[
                (
                    "organization",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="tenants.organization",
                    ),
                ),
                ("below", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("told", models.PositiveIntegerField(db_default=0, default=0, help_text="How often it was warned.")),
                ("is_low", models.BooleanField(db_default=False, default=False)),
            ],
            options={
                "base_manager_name": "objects",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("below__gt", 0)), name="balance_alert_below_something")
                ],
            },
        ),
        migrations.CreateModel(
            name="OutboxEvent",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("topic", models.CharField(max_length=32)),
                (
                    "key",
                    models.CharField(help_text="Once per key, however often it is told.", max_length=160, unique=True),
                ),
                ("payload", models.JSONField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("published_at", models.DateTimeField(help_text="When its deliveries were made out.", null=True)),
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
            name="WebhookEndpoint",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("sealed", models.BinaryField()),
                ("url", models.CharField(max_length=500)),
                ("description", models.CharField(blank=True, default="", max_length=200)),
                (
                    "topics",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), size=10),
                ),
                ("active", models.BooleanField(default=True)),
                ("previous_until", models.DateTimeField(editable=False, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "data_key",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
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
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("mailbox", models.CharField(db_default="", default="", max_length=254)),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "On its way"), ("delivered", "Delivered"), ("dead", "Given up")],
                        db_default="pending",
                        default="pending",
                        max_length=12,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("next_attempt_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "answer",
                    models.CharField(
                        db_default="", default="", help_text="What the last attempt came to.", max_length=200
                    ),
                ),
                ("delivered_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="billing.outboxevent",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="deliveries",
                        to="billing.webhookendpoint",
                    ),
                ),
            ],
            options={
                "base_manager_name": "objects",
            },
        ),
        migrations.AddIndex(
            model_name="outboxevent",
            index=models.Index(
                condition=models.Q(("published_at__isnull", True)), fields=["created_at"], name="outbox_event_waiting"
            ),
        ),
        migrations.AddConstraint(
            model_name="outboxevent",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="outbox_event_of_organization"),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="webhook_endpoint_of_organization"),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "topics__contained_by",
                        [
                            "balance.low",
                            "budget.threshold",
                            "charge.settled",
                            "hold.expired",
                            "payout.failed",
                            "payout.paid",
                            "refund.made",
                            "statement.ready",
                            "token.exhausted",
                            "topup.succeeded",
                        ],
                    ),
                    ("topics__len__gte", 1),
                ),
                name="webhook_endpoint_topics_known",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "pending")), fields=["next_attempt_at"], name="delivery_due"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["endpoint", "-created_at"], name="delivery_by_endpoint"),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="delivery_of_organization"),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("event", "endpoint", "mailbox"), name="delivery_once", nulls_distinct=False
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("endpoint__isnull", False), ("mailbox", "")),
                    models.Q(("endpoint__isnull", True), models.Q(("mailbox", ""), _negated=True)),
                    _connector="OR",
                ),
                name="delivery_has_one_target",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("pending", "delivered", "dead"))), name="delivery_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("delivered_at__isnull", False), ("state", "delivered")),
                    models.Q(models.Q(("state", "delivered"), _negated=True), ("delivered_at__isnull", True)),
                    _connector="OR",
                ),
                name="delivery_delivered_at_its_end",
            ),
        ),
        *(
            migrations.RunSQL(
                WALL.format(table=table, own=OWN, scope="", check=f"WITH CHECK ({OWN})"), migrations.RunSQL.noop
            )
            for table in KEPT
        ),
        *(
            migrations.RunSQL(WALL.format(table=table, own=OWN, scope="FOR SELECT", check=""), migrations.RunSQL.noop)
            for table in SHOWN
        ),
        migrations.RunSQL((SQL / "outbox.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
