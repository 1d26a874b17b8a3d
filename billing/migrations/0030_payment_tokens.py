"""Payment tokens: capped, expiring permits to spend an organization's money."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0029_rules_of_decisions"),
        ("tenants", "0009_sign_in_attempts"),
    ]

    operations = [
        migrations.CreateModel(
            name="PaymentToken",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        help_text="Chosen by the caller: it is the idempotency key.", primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(blank=True, help_text="What tells it from the others.", max_length=100)),
                ("public_id", models.CharField(editable=False, max_length=12, unique=True)),
                ("digest", models.BinaryField(max_length=32)),
                ("pepper_version", models.PositiveSmallIntegerField(editable=False)),
                ("last_four", models.CharField(editable=False, max_length=4)),
                (
                    "depth",
                    models.PositiveSmallIntegerField(db_default=0, default=0, help_text="How many stand above it."),
                ),
                ("run_id", models.UUIDField(help_text="The run that minted it, out of its own hold.", null=True)),
                ("cap", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("max_per_call", models.PositiveBigIntegerField(help_text="Nanodollars.", null=True)),
                (
                    "audience",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(),
                        help_text="The agents whose runs it pays; null for all.",
                        null=True,
                        size=None,
                    ),
                ),
                (
                    "audience_names",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=160),
                        help_text="Their names, when it was made.",
                        null=True,
                        size=None,
                    ),
                ),
                (
                    "redelegate",
                    models.BooleanField(db_default=False, default=False, help_text="Whether it may have children."),
                ),
                ("not_before", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("active", "Active"),
                            ("revoked", "Revoked"),
                            ("expired", "Expired"),
                            ("closed", "Closed"),
                        ],
                        db_default="active",
                        default="active",
                        max_length=8,
                    ),
                ),
                ("key_id", models.UUIDField(help_text="The API key that asked for it.", null=True)),
                ("actor", models.CharField(db_default="", default="", help_text="Who asked for it.", max_length=254)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "hold",
                    models.OneToOneField(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payment_token",
                        to="billing.hold",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="billing.paymenttoken",
                    ),
                ),
                (
                    "root",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.paymenttoken",
                    ),
                ),
            ],
            options={
                "verbose_name": "payment token",
                "indexes": [
                    models.Index(fields=["organization", "-id"], name="token_recent"),
                    models.Index(
                        condition=models.Q(("status", "active")), fields=["expires_at"], name="token_active_by_expiry"
                    ),
                    models.Index(
                        condition=models.Q(("run_id__isnull", False), ("status", "active")),
                        fields=["run_id"],
                        name="token_active_of_run",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("cap__gt", 0), ("cap__lte", 1000000000000000000)), name="token_cap_bounded"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("max_per_call__isnull", True),
                            models.Q(("max_per_call__gt", 0), ("max_per_call__lte", models.F("cap"))),
                            _connector="OR",
                        ),
                        name="token_max_per_call_within_cap",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ("active", "revoked", "expired", "closed"))),
                        name="token_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", True), ("status", "active")),
                            models.Q(models.Q(("status", "active"), _negated=True), ("ended_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="token_ended_at_its_end",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("not_before"))), name="token_window_not_empty"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("parent__isnull", True), ("run_id__isnull", True)),
                            ("hold__isnull", False),
                            _connector="OR",
                        ),
                        name="token_of_another_is_funded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("depth", 0), ("parent__isnull", True), ("root", models.F("id"))),
                            models.Q(("depth__gte", 1), ("parent__isnull", False)),
                            _connector="OR",
                        ),
                        name="token_root_has_no_parent",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("audience__isnull", True), ("audience__len__gte", 1), _connector="OR"),
                        name="token_audience_not_empty",
                    ),
                    models.UniqueConstraint(fields=("organization", "id"), name="token_organization_id"),
                ],
            },
        ),
    ]
