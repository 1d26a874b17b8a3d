"""Payments are looked after to their end: what each has cost, and what banks claim back of them."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"

WALL = """
ALTER TABLE billing_bankclaim ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_bankclaim FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON billing_bankclaim FOR SELECT TO robutler_app USING (false);
CREATE POLICY owner ON billing_bankclaim TO robutler_owner USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON billing_bankclaim FROM robutler_app, robutler_platform;
GRANT SELECT, INSERT, UPDATE ON billing_bankclaim TO robutler_ledger;
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_bankclaim
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER guard BEFORE UPDATE ON billing_bankclaim FOR EACH ROW EXECUTE FUNCTION billing_guard_claim();
ALTER TABLE billing_topup ADD CONSTRAINT top_up_fee_group
    FOREIGN KEY (fee_group_id) REFERENCES billing_transfergroup (id);
COMMENT ON CONSTRAINT top_up_fee_group ON billing_topup IS
    'crosses organizations: what a payment has cost is the platform''s own doing';
"""
RIGHTS = """
REVOKE ALL ON FUNCTION billing_pause, billing_next_payment, billing_book_fee, billing_give_up_payment,
    billing_end_unopened, billing_keep_claim, billing_next_claim, billing_drop_claim, billing_explain_claim,
    billing_guard_claim FROM PUBLIC;
ALTER FUNCTION billing_pause OWNER TO robutler_ledger;
ALTER FUNCTION billing_next_payment OWNER TO robutler_ledger;
ALTER FUNCTION billing_book_fee OWNER TO robutler_ledger;
ALTER FUNCTION billing_give_up_payment OWNER TO robutler_ledger;
ALTER FUNCTION billing_end_unopened OWNER TO robutler_ledger;
ALTER FUNCTION billing_keep_claim OWNER TO robutler_ledger;
ALTER FUNCTION billing_next_claim OWNER TO robutler_ledger;
ALTER FUNCTION billing_drop_claim OWNER TO robutler_ledger;
ALTER FUNCTION billing_explain_claim OWNER TO robutler_ledger;
GRANT EXECUTE ON FUNCTION billing_next_payment, billing_book_fee, billing_give_up_payment, billing_end_unopened,
    billing_keep_claim, billing_next_claim, billing_drop_claim, billing_explain_claim TO robutler_platform;
"""


def read(name):
    return migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0051_grants_expire_in_time"),
        ("tenants", "0010_time_zones"),
    ]

    operations = [
        migrations.CreateModel(
            name="BankClaim",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("rail", models.CharField(max_length=16)),
                ("external_id", models.CharField(max_length=200)),
                (
                    "amount",
                    models.PositiveBigIntegerField(help_text="Nanodollars; none in another currency.", null=True),
                ),
                ("reason", models.CharField(db_default="", default="", max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Not in the books"),
                            ("booked", "Booked"),
                            ("dropped", "Takes nothing"),
                            ("explained", "Explained"),
                        ],
                        db_default="open",
                        default="open",
                        max_length=10,
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        db_default="", default="", help_text="What the last attempt came to.", max_length=32
                    ),
                ),
                ("looks", models.PositiveIntegerField(db_default=0, default=0)),
                ("next_look_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("received_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("explanation", models.CharField(db_default="", default="", max_length=500)),
                ("explained_by", models.CharField(db_default="", default="", max_length=254)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={"verbose_name": "bank's claim", "verbose_name_plural": "banks' claims"},
        ),
        migrations.RemoveConstraint(
            model_name="transfergroup",
            name="transfer_group_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="transfergroup",
            name="transfer_group_has_an_organization",
        ),
        migrations.AddField(
            model_name="topup",
            name="fee",
            field=models.PositiveBigIntegerField(help_text="What the gateway kept of it. Nanodollars.", null=True),
        ),
        migrations.AddField(
            model_name="topup",
            name="fee_group",
            field=models.OneToOneField(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.transfergroup",
            ),
        ),
        migrations.AddField(
            model_name="topup",
            name="fee_problem",
            field=models.CharField(
                db_default="", default="", help_text="Why the fee cannot be booked as it is.", max_length=32
            ),
        ),
        migrations.AddField(
            model_name="topup",
            name="looks",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="How often the gateway was asked without being told to."
            ),
        ),
        migrations.AddField(
            model_name="topup",
            name="next_look_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
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
                    ("payment_fee", "Fee of a payment"),
                ],
                max_length=16,
            ),
        ),
        migrations.AddIndex(
            model_name="topup",
            index=models.Index(
                condition=models.Q(
                    ("external_id__isnull", False),
                    ("fee__isnull", True),
                    ("fee_problem", ""),
                    models.Q(("state", "pending"), ("group__isnull", False), _connector="OR"),
                ),
                fields=["next_look_at"],
                name="top_up_to_look_after",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("fee__isnull", True), ("fee_group__isnull", True)),
                    models.Q(("fee", 0), ("fee_group__isnull", True), ("group__isnull", False)),
                    models.Q(
                        ("fee__gt", 0), ("fee_group__isnull", False), ("fee_problem", ""), ("group__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="top_up_fee_is_booked",
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
                            "payment_fee",
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
                    ("kind__in", ("adjustment", "reversal", "provider_invoice", "write_off", "payment_fee")),
                    _connector="OR",
                ),
                name="transfer_group_has_an_organization",
            ),
        ),
        migrations.AddField(
            model_name="bankclaim",
            name="top_up",
            field=models.ForeignKey(
                help_text="The payment, where it was credited.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.topup",
            ),
        ),
        migrations.AddIndex(
            model_name="bankclaim",
            index=models.Index(condition=models.Q(("state", "open")), fields=["next_look_at"], name="bank_claim_open"),
        ),
        migrations.AddConstraint(
            model_name="bankclaim",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", True), ("state", "open")),
                    models.Q(("ended_at__isnull", False), ("state__in", ("booked", "dropped", "explained"))),
                    _connector="OR",
                ),
                name="bank_claim_ended_at_its_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankclaim",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "explained"), models.Q(("explained_by", ""), ("explanation", "")), _connector="XOR"
                ),
                name="bank_claim_explained_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankclaim",
            constraint=models.UniqueConstraint(fields=("rail", "external_id"), name="bank_claim_once"),
        ),
        read("top_ups.sql"),
        read("decision_rules.sql"),
        read("payments.sql"),
        read("bank_claims.sql"),
        migrations.RunSQL(WALL, migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
