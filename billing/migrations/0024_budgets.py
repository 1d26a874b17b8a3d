"""Budgets and their windows, and the functions that heed them; holds can be carved out of holds."""

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"

WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {table} FOR SELECT TO robutler_app USING (organization_id = robutler_organization());
CREATE POLICY owner ON {table} TO robutler_owner USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM robutler_app, robutler_platform;
GRANT SELECT, INSERT ON {table} TO robutler_ledger;
"""
TABLES = ("billing_budget", "billing_budgetwindow", "billing_holdbudget", "billing_budgetalert")

REFERENCES = """
GRANT UPDATE ON billing_budget, billing_budgetwindow TO robutler_ledger;
ALTER TABLE billing_budgetwindow ADD CONSTRAINT budget_window_budget
    FOREIGN KEY (organization_id, budget_id) REFERENCES billing_budget (organization_id, id);
ALTER TABLE billing_holdbudget ADD CONSTRAINT hold_budget_hold
    FOREIGN KEY (organization_id, hold_id) REFERENCES billing_hold (organization_id, id);
ALTER TABLE billing_holdbudget ADD CONSTRAINT hold_budget_window
    FOREIGN KEY (organization_id, window_id) REFERENCES billing_budgetwindow (organization_id, id);
ALTER TABLE billing_budgetalert ADD CONSTRAINT budget_alert_window
    FOREIGN KEY (organization_id, window_id) REFERENCES billing_budgetwindow (organization_id, id);
ALTER TABLE billing_budgetwindow SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.02);
"""

GONE = "DROP FUNCTION IF EXISTS billing_lock(uuid[], uuid[]);"

RIGHTS = """
DO $$
DECLARE
    function record;
BEGIN
    FOR function IN
        SELECT p.oid::regprocedure AS signature, p.prosecdef AS acts_as_owner FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'billing\\_%'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function.signature);
        IF function.acts_as_owner THEN
            EXECUTE format('ALTER FUNCTION %s OWNER TO robutler_ledger', function.signature);
        END IF;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION billing_lock, billing_set_budget, billing_end_budget TO robutler_app, robutler_platform;
GRANT EXECUTE ON FUNCTION billing_warn_of_budgets TO robutler_platform;
"""


def read(name):
    return migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0023_prices_of_units"),
        ("tenants", "0009_sign_in_attempts"),
    ]

    operations = [
        migrations.CreateModel(
            name="Budget",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        help_text="Chosen by the caller: it is the idempotency key.", primary_key=True, serialize=False
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("organization", "The organization"),
                            ("key", "An API key"),
                            ("agent", "An agent"),
                            ("end_user", "An end user"),
                            ("token", "A payment token"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        help_text="The id of the key, agent or token, or the end user's own.", max_length=256
                    ),
                ),
                (
                    "period",
                    models.CharField(
                        choices=[("day", "Day"), ("week", "Week"), ("month", "Month"), ("total", "In all")],
                        max_length=8,
                    ),
                ),
                ("time_zone", models.CharField(help_text="Whose days, weeks and months.", max_length=64)),
                ("limit", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("mode", models.CharField(choices=[("hard", "Refuse"), ("soft", "Warn")], max_length=8)),
                (
                    "alert_percents",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), help_text="Shares of the limit at which to warn.", size=10
                    ),
                ),
                ("active", models.BooleanField(db_default=True, default=True)),
                ("set_by", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BudgetWindow",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(null=True)),
                ("limit", models.PositiveBigIntegerField(help_text="Nanodollars.")),
                ("allowed", models.PositiveBigIntegerField(null=True)),
                ("held", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("spent", models.PositiveBigIntegerField(db_default=0, default=0)),
                (
                    "budget",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="windows",
                        to="billing.budget",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BudgetAlert",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "window_id", "percent", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("percent", models.PositiveSmallIntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "window",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="billing.budgetwindow",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="HoldBudget",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "hold_id", "window_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "hold",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.hold",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "window",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="holds",
                        to="billing.budgetwindow",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="budget",
            index=models.Index(
                condition=models.Q(("active", True)),
                fields=["organization", "scope", "subject"],
                name="budget_by_subject",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("scope", "organization"), ("subject", "")),
                    models.Q(
                        ("scope__in", ("key", "agent", "end_user", "token")), models.Q(("subject", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="budget_subject_of_scope",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(("period__in", ("day", "week", "month", "total"))), name="budget_period_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(("mode__in", ("hard", "soft"))), name="budget_mode_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(("limit__lte", 1000000000000000000)), name="budget_limit_bounded"
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="budget_of_organization"),
        ),
        migrations.AddConstraint(
            model_name="budgetwindow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("allowed__isnull", True),
                    (
                        "allowed__gte",
                        django.db.models.expressions.CombinedExpression(models.F("held"), "+", models.F("spent")),
                    ),
                    _connector="OR",
                ),
                name="budget_window_fits",
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetwindow",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__isnull", True), ("ends_at__gt", models.F("starts_at")), _connector="OR"),
                name="budget_window_ends_after",
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetwindow",
            constraint=models.UniqueConstraint(fields=("budget", "starts_at"), name="budget_window_once"),
        ),
        migrations.AddConstraint(
            model_name="budgetwindow",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="budget_window_of_organization"),
        ),
        *(migrations.RunSQL(WALL.format(table=table), migrations.RunSQL.noop) for table in TABLES),
        migrations.RunSQL(REFERENCES, migrations.RunSQL.noop),
        migrations.RunSQL(GONE, migrations.RunSQL.noop),
        read("rules.sql"),
        read("holds.sql"),
        read("settlements.sql"),
        read("budgets.sql"),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
