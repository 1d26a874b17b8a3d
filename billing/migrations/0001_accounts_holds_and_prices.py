"""Accounts, charges, holds, settlements, transfers, top-ups and prices: the tables of money."""

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
            name="Hold",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        help_text="Chosen by the caller: it is the idempotency key.", primary_key=True, serialize=False
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
        ),
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
                (
                    "organization",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Charge",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        help_text="Chosen by the caller: it is the idempotency key.", primary_key=True, serialize=False
                    ),
                ),
                ("run_id", models.UUIDField(db_index=True)),
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
                    "platform_credential",
                    models.BooleanField(help_text="Whether the platform's own key pays the provider."),
                ),
                ("idempotency_key", models.CharField(max_length=255, null=True)),
                ("finish_reason", models.CharField(db_default="", default="", max_length=32)),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(null=True)),
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
                    "organization",
                    models.ForeignKey(
                        help_text="Who pays.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
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
            ],
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
        ),
        migrations.AddField(
            model_name="hold",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="holds",
                to="billing.account",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="charge",
            field=models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="hold",
                to="billing.charge",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
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
                (
                    "price_list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="versions", to="billing.pricelist"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PriceItem",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
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
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="items",
                        to="billing.priceversion",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="charge",
            name="price_version",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="billing.priceversion"
            ),
        ),
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
                ("actor", models.CharField(db_default="", default="", max_length=254)),
                ("memo", models.CharField(db_default="", default="", max_length=200)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
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
                    "organization",
                    models.ForeignKey(
                        help_text="Whose doing.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "reverses",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reversed_by",
                        to="billing.transfergroup",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("line", models.PositiveSmallIntegerField()),
                ("amount", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
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
                    "group",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transfers",
                        to="billing.transfergroup",
                    ),
                ),
            ],
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
                ("amount", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("rail", models.CharField(db_default="manual", default="manual", max_length=16)),
                ("reference", models.CharField(max_length=200)),
                ("actor", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
                (
                    "group",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="top_up", to="billing.transfergroup"
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("enforced", True),
                    models.Q(("credits_posted", 0), ("debits_pending", 0), ("debits_posted", 0)),
                    _connector="OR",
                ),
                name="account_totals_only_where_enforced",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("enforced", True), ("kind", "wallet")),
                    models.Q(("enforced", False), models.Q(("kind", "wallet"), _negated=True)),
                    _connector="OR",
                ),
                name="account_wallets_are_enforced",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ("provider_cost", "external_clearing", "overrun_loss")), ("normal", "D")),
                    models.Q(
                        ("normal", "C"),
                        models.Q(("kind__in", ("provider_cost", "external_clearing", "overrun_loss")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="account_normal_side_of_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ("open", "frozen", "closed"))), name="account_status_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.UniqueConstraint(
                fields=("organization", "kind"), name="account_one_per_organization_and_kind"
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="account_organization_id"),
        ),
        migrations.AddField(
            model_name="settlement",
            name="beneficiary",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
            ),
        ),
        migrations.AddField(
            model_name="settlement",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                condition=models.Q(("state", "open")), fields=["expires_at"], name="hold_open_by_expiry"
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(condition=models.Q(("state", "open")), fields=["account"], name="hold_open_by_account"),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="hold_amount_positive"),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("open", "settled", "released", "expired", "late"))),
                name="hold_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("state", "open")),
                    models.Q(models.Q(("state", "open"), _negated=True), ("closed_at__isnull", False)),
                    _connector="OR",
                ),
                name="hold_closed_at_its_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="hold_organization_id"),
        ),
        migrations.AddConstraint(
            model_name="priceversion",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("draft", "published"))), name="price_version_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="priceversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "published"), _negated=True), ("valid_from__isnull", False), _connector="OR"
                ),
                name="price_version_starts_somewhen",
            ),
        ),
        migrations.AddConstraint(
            model_name="priceversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("valid_to__isnull", True), ("valid_to__gte", models.F("valid_from")), _connector="OR"
                ),
                name="price_version_ends_after",
            ),
        ),
        migrations.AddConstraint(
            model_name="priceversion",
            constraint=models.UniqueConstraint(fields=("price_list", "name"), name="price_version_name"),
        ),
        migrations.AddConstraint(
            model_name="priceitem",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="priceitem",
            constraint=models.UniqueConstraint(
                fields=("version", "model", "unit", "context_from"), name="price_item_key"
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(fields=["organization", "-started_at"], name="charge_by_organization"),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(
                condition=models.Q(("parent__isnull", False)), fields=["parent"], name="charge_by_parent"
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(
                condition=models.Q(("status", "authorized")), fields=["started_at"], name="charge_unfinished"
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ("run", "tool", "agent", "handoff"))), name="charge_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ("authorized", "finished", "failed", "disconnected", "cancelled", "orphaned"))
                ),
                name="charge_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at__isnull", True), ("status", "authorized")),
                    models.Q(models.Q(("status", "authorized"), _negated=True), ("finished_at__isnull", False)),
                    _connector="OR",
                ),
                name="charge_finished_at_its_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.UniqueConstraint(
                fields=("organization", "idempotency_key"), name="charge_idempotency_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="charge_organization_id"),
        ),
        migrations.AddIndex(
            model_name="transfergroup",
            index=models.Index(fields=["organization", "id"], name="transfer_group_by_owner"),
        ),
        migrations.AddConstraint(
            model_name="transfergroup",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ("top_up", "settlement", "late_settlement", "unheld_loss"))),
                name="transfer_group_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfergroup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("hold__isnull", False), ("kind__in", ("settlement", "late_settlement"))),
                    models.Q(
                        ("hold__isnull", True), models.Q(("kind__in", ("settlement", "late_settlement")), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="transfer_group_hold_of_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfergroup",
            constraint=models.UniqueConstraint(fields=("hold",), name="transfer_group_one_per_hold"),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["debit", "id"], name="transfer_by_debit"),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["credit", "id"], name="transfer_by_credit"),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="transfer_amount_positive"),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("debit", models.F("credit")), _negated=True), name="transfer_between_two_accounts"
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.UniqueConstraint(fields=("group", "line"), name="transfer_line"),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="top_up_amount_positive"),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(condition=models.Q(("rail__in", ("manual",))), name="top_up_rail_known"),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="top_up_organization_id"),
        ),
        migrations.AddConstraint(
            model_name="settlement",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="settlement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "charged__lte",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(models.F("cost"), "+", models.F("markup")),
                            "+",
                            models.F("fee"),
                        ),
                    )
                ),
                name="settlement_never_above_its_price",
            ),
        ),
        migrations.AddConstraint(
            model_name="settlement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "charged__lte",
                        django.db.models.expressions.CombinedExpression(models.F("reserved"), "+", models.F("overrun")),
                    )
                ),
                name="settlement_within_its_means",
            ),
        ),
        migrations.AddConstraint(
            model_name="settlement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("loss__lte", models.F("cost")),
                    models.Q(("platform_credential", True), ("loss", 0), _connector="OR"),
                ),
                name="settlement_loss_is_unpaid_cost",
            ),
        ),
        migrations.AddConstraint(
            model_name="settlement",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ("provider", "counted", "checkpoint", "estimated"))),
                name="settlement_source_known",
            ),
        ),
    ]
