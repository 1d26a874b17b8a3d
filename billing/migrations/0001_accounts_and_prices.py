"""Accounts, the pots of money, and prices by version."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_people_and_organizations"),
    ]

    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("code", models.CharField(max_length=96, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("wallet", "Wallet"),
                            ("creator_earnings", "Creator earnings"),
                            ("platform_revenue", "Platform revenue"),
                            ("provider_cost", "Provider cost"),
                            ("provider_payable", "Provider payable"),
                            ("external_clearing", "External clearing"),
                            ("overrun_loss", "Overrun loss"),
                        ],
                        max_length=24,
                    ),
                ),
                ("normal", models.CharField(choices=[("D", "Debit"), ("C", "Credit")], max_length=1)),
                (
                    "organization",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                ("enforced", models.BooleanField(db_default=False, default=False)),
                (
                    "credit_limit",
                    models.PositiveBigIntegerField(
                        db_default=0, default=0, help_text="How far below zero it may go. Nanodollars."
                    ),
                ),
                ("debits_posted", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("credits_posted", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("debits_pending", models.PositiveBigIntegerField(db_default=0, default=0)),
                (
                    "status",
                    models.CharField(
                        choices=[("open", "Open"), ("frozen", "Frozen"), ("closed", "Closed")],
                        db_default="open",
                        default="open",
                        max_length=8,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("enforced", False),
                            (
                                "credits_posted__gte",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("debits_posted"), "+", models.F("debits_pending")
                                    ),
                                    "-",
                                    models.F("credit_limit"),
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="account_no_overdraft",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("credit_limit__lte", 1_000_000_000_000_000_000)),
                        name="account_credit_limit_bounded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("enforced", True),
                            models.Q(("credits_posted", 0), ("debits_pending", 0), ("debits_posted", 0)),
                            _connector="OR",
                        ),
                        name="account_totals_only_where_enforced",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("enforced", True), ("kind", "wallet")),
                            models.Q(("enforced", False), models.Q(("kind", "wallet"), _negated=True)),
                            _connector="OR",
                        ),
                        name="account_wallets_are_enforced",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind__in", ("wallet", "creator_earnings")), ("organization__isnull", False)),
                            models.Q(
                                ("organization__isnull", True),
                                models.Q(("kind__in", ("wallet", "creator_earnings")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="account_owned_kinds_have_an_owner",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("kind__in", ("provider_cost", "external_clearing", "overrun_loss")), ("normal", "D")
                            ),
                            models.Q(
                                ("normal", "C"),
                                models.Q(
                                    ("kind__in", ("provider_cost", "external_clearing", "overrun_loss")), _negated=True
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="account_normal_side_of_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                (
                                    "wallet",
                                    "creator_earnings",
                                    "platform_revenue",
                                    "provider_cost",
                                    "provider_payable",
                                    "external_clearing",
                                    "overrun_loss",
                                ),
                            )
                        ),
                        name="account_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ("open", "frozen", "closed"))), name="account_status_known"
                    ),
                    models.UniqueConstraint(
                        fields=("organization", "kind"), name="account_one_per_organization_and_kind"
                    ),
                    models.UniqueConstraint(fields=("organization", "id"), name="account_organization_id"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PriceList",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("provider_cost", "Provider cost"), ("platform_fee", "Platform fee")],
                        max_length=16,
                        unique=True,
                    ),
                ),
                ("name", models.CharField(max_length=80)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ("provider_cost", "platform_fee"))),
                        name="price_list_kind_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PriceVersion",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "price_list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="versions", to="billing.pricelist"
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                (
                    "state",
                    models.CharField(
                        choices=[("draft", "Draft"), ("published", "Published")],
                        db_default="draft",
                        default="draft",
                        max_length=12,
                    ),
                ),
                ("valid_from", models.DateTimeField(null=True)),
                ("valid_to", models.DateTimeField(null=True)),
                ("created_by", models.CharField(max_length=254)),
                ("published_by", models.CharField(db_default="", default="", max_length=254)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ("draft", "published"))), name="price_version_state_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "published"), _negated=True),
                            ("valid_from__isnull", False),
                            _connector="OR",
                        ),
                        name="price_version_starts_somewhen",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("valid_to__isnull", True), ("valid_to__gte", models.F("valid_from")), _connector="OR"
                        ),
                        name="price_version_ends_after",
                    ),
                    models.UniqueConstraint(fields=("price_list", "name"), name="price_version_name"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PriceItem",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="items",
                        to="billing.priceversion",
                    ),
                ),
                ("model", models.CharField(help_text="`provider/model`, or `*`.", max_length=200)),
                (
                    "unit",
                    models.CharField(
                        choices=[
                            ("input", "Input token"),
                            ("cached_input", "Cached input token"),
                            ("cache_write", "Input token written to the cache"),
                            ("input_audio", "Audio input token"),
                            ("output", "Output token"),
                            ("reasoning", "Reasoning token"),
                            ("output_audio", "Audio output token"),
                            ("basis_points", "Basis points of the price"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "context_from",
                    models.PositiveIntegerField(
                        db_default=0, default=0, help_text="Input tokens above which it holds."
                    ),
                ),
                ("price", models.PositiveBigIntegerField(help_text="Picodollars per unit.")),
                (
                    "most",
                    models.PositiveBigIntegerField(help_text="The most units one call can use, if known.", null=True),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "unit__in",
                                (
                                    "input",
                                    "cached_input",
                                    "cache_write",
                                    "input_audio",
                                    "output",
                                    "reasoning",
                                    "output_audio",
                                    "basis_points",
                                ),
                            )
                        ),
                        name="price_item_unit_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("price__lte", 10_000),
                            models.Q(models.Q(("unit", "basis_points"), _negated=True), ("price__lte", 10_000_000_000)),
                            _connector="OR",
                        ),
                        name="price_item_price_bounded",
                        violation_error_message="No token costs more than a cent, and no share is more than the whole.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("most__isnull", True), ("most__lte", 10_000_000), _connector="OR"),
                        name="price_item_most_bounded",
                    ),
                    models.UniqueConstraint(fields=("version", "model", "unit", "context_from"), name="price_item_key"),
                ],
            },
        ),
    ]
