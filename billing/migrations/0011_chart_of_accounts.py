"""The whole chart of accounts, every reason for which money moves, and the one way to post it."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"

ACCOUNTS = """
INSERT INTO billing_account (code, kind, normal) VALUES
    ('platform:cash', 'cash', 'D'),
    ('platform:payment_fees', 'payment_fees', 'D'),
    ('platform:promo_expense', 'promo_expense', 'D'),
    ('platform:breakage_income', 'breakage_income', 'C'),
    ('platform:refund_contra', 'refund_contra', 'D'),
    ('platform:payout_clearing', 'payout_clearing', 'C'),
    ('platform:suspense', 'suspense', 'C'),
    ('platform:rounding', 'rounding', 'C');
"""

# Only the ledger's own functions post.
RIGHTS = """
REVOKE ALL ON FUNCTION billing_post, billing_account_of, billing_balance FROM PUBLIC;
ALTER FUNCTION billing_post OWNER TO robutler_ledger;
ALTER FUNCTION billing_account_of OWNER TO robutler_ledger;
ALTER FUNCTION billing_balance OWNER TO robutler_ledger;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0010_prices_of_embeddings"),
        ("tenants", "0009_sign_in_attempts"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="account",
            name="account_owned_kinds_have_an_owner",
        ),
        migrations.RemoveConstraint(
            model_name="account",
            name="account_normal_side_of_kind",
        ),
        migrations.RemoveConstraint(
            model_name="account",
            name="account_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="transfergroup",
            name="transfer_group_kind_known",
        ),
        migrations.AlterField(
            model_name="account",
            name="kind",
            field=models.CharField(
                choices=[
                    ("wallet", "Wallet"),
                    ("creator_earnings", "Creator earnings"),
                    ("creator_clawback", "Creator clawback"),
                    ("platform_revenue", "Platform revenue"),
                    ("provider_cost", "Provider cost"),
                    ("provider_payable", "Provider payable"),
                    ("external_clearing", "External clearing"),
                    ("cash", "Cash"),
                    ("payment_fees", "Payment fees"),
                    ("promo_expense", "Promotional expense"),
                    ("breakage_income", "Breakage income"),
                    ("overrun_loss", "Overrun loss"),
                    ("refund_contra", "Refunds of revenue"),
                    ("payout_clearing", "Payout clearing"),
                    ("suspense", "Suspense"),
                    ("rounding", "Rounding"),
                ],
                max_length=24,
            ),
        ),
        migrations.AlterField(
            model_name="transfergroup",
            name="kind",
            field=models.CharField(
                choices=[
                    ("top_up", "Top-up"),
                    ("settlement", "Settlement"),
                    ("late_settlement", "Late settlement"),
                    ("unheld_loss", "Loss without a hold"),
                    ("grant", "Grant"),
                    ("grant_expiry", "Expired grant"),
                    ("refund", "Refund"),
                    ("adjustment", "Adjustment"),
                    ("reversal", "Reversal"),
                    ("payout", "Payout"),
                    ("payout_return", "Returned payout"),
                    ("provider_invoice", "Provider's invoice"),
                    ("chargeback", "Chargeback"),
                    ("write_off", "Write-off"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="transfergroup",
            name="organization",
            field=models.ForeignKey(
                help_text="Whose doing.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind__in", ("wallet", "creator_earnings", "creator_clawback")),
                        ("organization__isnull", False),
                    ),
                    models.Q(
                        ("organization__isnull", True),
                        models.Q(("kind__in", ("wallet", "creator_earnings", "creator_clawback")), _negated=True),
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
                    models.Q(
                        (
                            "kind__in",
                            (
                                "creator_clawback",
                                "provider_cost",
                                "external_clearing",
                                "cash",
                                "payment_fees",
                                "promo_expense",
                                "overrun_loss",
                                "refund_contra",
                            ),
                        ),
                        ("normal", "D"),
                    ),
                    models.Q(
                        ("normal", "C"),
                        models.Q(
                            (
                                "kind__in",
                                (
                                    "creator_clawback",
                                    "provider_cost",
                                    "external_clearing",
                                    "cash",
                                    "payment_fees",
                                    "promo_expense",
                                    "overrun_loss",
                                    "refund_contra",
                                ),
                            ),
                            _negated=True,
                        ),
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
                            "creator_clawback",
                            "platform_revenue",
                            "provider_cost",
                            "provider_payable",
                            "external_clearing",
                            "cash",
                            "payment_fees",
                            "promo_expense",
                            "breakage_income",
                            "overrun_loss",
                            "refund_contra",
                            "payout_clearing",
                            "suspense",
                            "rounding",
                        ),
                    )
                ),
                name="account_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfergroup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        (
                            "top_up",
                            "settlement",
                            "late_settlement",
                            "unheld_loss",
                            "grant",
                            "grant_expiry",
                            "refund",
                            "adjustment",
                            "reversal",
                            "payout",
                            "payout_return",
                            "provider_invoice",
                            "chargeback",
                            "write_off",
                        ),
                    )
                ),
                name="transfer_group_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfergroup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("organization__isnull", False),
                    ("kind__in", ("adjustment", "reversal", "provider_invoice", "write_off")),
                    _connector="OR",
                ),
                name="transfer_group_has_an_organization",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfergroup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reverses__isnull", True), ("kind__in", ("reversal", "payout_return")), _connector="OR"
                ),
                name="transfer_group_reverses_by_kind",
            ),
        ),
        migrations.RunSQL(ACCOUNTS, migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "journal.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
