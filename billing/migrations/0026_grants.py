"""Grants, what is spent of them, and how far that was worked out."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0025_pairs_of_figures"), ("tenants", "0009_sign_in_attempts")]

    operations = [
        migrations.CreateModel(
            name="Grant",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        help_text="Chosen by the caller: it is the idempotency key.", primary_key=True, serialize=False
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("promo", "Promotion"),
                            ("plan", "Plan"),
                            ("referral", "Referral"),
                            ("goodwill", "Goodwill"),
                            ("bonus", "Bonus"),
                        ],
                        max_length=8,
                    ),
                ),
                ("amount", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                (
                    "used",
                    models.PositiveBigIntegerField(db_default=0, default=0, help_text="Spent, expired or taken back."),
                ),
                ("priority", models.PositiveSmallIntegerField(help_text="The lowest is spent first.")),
                (
                    "cost_basis",
                    models.CharField(choices=[("paid", "Paid for"), ("zero", "Given for free")], max_length=4),
                ),
                ("expires_at", models.DateTimeField(null=True)),
                ("reason", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[("requested", "Awaits approval"), ("given", "Given"), ("rejected", "Rejected")],
                        max_length=12,
                    ),
                ),
                ("requested_by", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "alone_up_to",
                    models.PositiveBigIntegerField(help_text="What one person may give alone. Nanodollars."),
                ),
                ("decided_by", models.CharField(db_default="", default="", max_length=254)),
                ("decided_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="GrantBurn",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("spent", "Spent"), ("expired", "Expired"), ("reversed", "Taken back")], max_length=8
                    ),
                ),
                ("amount", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="GrantCursor",
            fields=[
                (
                    "organization",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="tenants.organization",
                    ),
                ),
                ("transfer", models.PositiveBigIntegerField(help_text="The id of the last one.")),
            ],
        ),
        migrations.AddField(
            model_name="grant",
            name="group",
            field=models.OneToOneField(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="grant",
                to="billing.transfergroup",
            ),
        ),
        migrations.AddField(
            model_name="grant",
            name="organization",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
            ),
        ),
        migrations.AddField(
            model_name="grantburn",
            name="grant",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="burns",
                to="billing.grant",
            ),
        ),
        migrations.AddField(
            model_name="grantburn",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AddField(
            model_name="grantburn",
            name="transfer",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="billing.transfer"
            ),
        ),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(
                condition=models.Q(("state", "given"), ("used__lt", models.F("amount"))),
                fields=["organization", "expires_at"],
                name="grant_live",
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("amount__lte", 1000000000000000000)), name="grant_amount_bounded"
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(("used__lte", models.F("amount"))), name="grant_used_within"
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ("promo", "plan", "referral", "goodwill", "bonus"))),
                name="grant_source_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(("cost_basis__in", ("paid", "zero"))), name="grant_cost_basis_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("decided_at__isnull", True), ("group__isnull", True), ("state", "requested"), ("used", 0)
                    ),
                    models.Q(
                        ("decided_at__isnull", False), ("group__isnull", True), ("state", "rejected"), ("used", 0)
                    ),
                    models.Q(("decided_at__isnull", False), ("group__isnull", False), ("state", "given")),
                    _connector="OR",
                ),
                name="grant_group_of_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "given"), _negated=True),
                    ("amount__lte", models.F("alone_up_to")),
                    models.Q(("decided_by", models.F("requested_by")), _negated=True),
                    _connector="OR",
                ),
                name="grant_by_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="grant_organization_id"),
        ),
        migrations.AddConstraint(
            model_name="grantburn",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="grant_burn_amount_positive"),
        ),
        migrations.AddConstraint(
            model_name="grantburn",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ("spent", "expired", "reversed"))), name="grant_burn_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="grantburn",
            constraint=models.UniqueConstraint(fields=("grant", "transfer"), name="grant_burn_once"),
        ),
        migrations.AddConstraint(
            model_name="grantburn",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="grant_burn_of_organization"),
        ),
    ]
