"""Holds within holds, and whose a charge is: a key's, an end user's, a payment token's."""

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"

# A child stays within its organization and within its tree, which is at most eight holds high above it.
REFERENCES = """
ALTER TABLE billing_hold ADD CONSTRAINT hold_parent
    FOREIGN KEY (organization_id, parent_id) REFERENCES billing_hold (organization_id, id);
ALTER TABLE billing_hold ADD CONSTRAINT hold_parent_is_the_last_ancestor CHECK (
    cardinality(ancestors) <= 8 AND parent_id IS NOT DISTINCT FROM ancestors[cardinality(ancestors)]
);
"""

# Functions whose arguments or answers have changed.
GONE = """
DROP FUNCTION IF EXISTS billing_hold_many(uuid[], uuid[], uuid[], bigint[], text[], text[], uuid[], uuid[], uuid[],
    bigint[], boolean[], text[], integer[]);
DROP FUNCTION IF EXISTS billing_hold_many(uuid[], uuid[], uuid[], bigint[], text[], text[], uuid[], uuid[], uuid[],
    bigint[], boolean[], text[], integer[], uuid[], text[], uuid[]);
DROP FUNCTION IF EXISTS billing_extend_many(uuid[], bigint[]);
DROP FUNCTION IF EXISTS billing_lock(uuid[], uuid[]);
DROP FUNCTION IF EXISTS billing_settle_many(uuid[], bigint[], bigint[], bigint[], boolean[], text[], text[], text[]);
"""

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
GRANT EXECUTE ON FUNCTION
    billing_lock, billing_hold_many, billing_extend_many, billing_checkpoint_many, billing_settle_many,
    billing_release_many
    TO robutler_app, robutler_platform;
GRANT EXECUTE ON FUNCTION billing_sweep TO robutler_platform;
"""


def read(name):
    return migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("billing", "0013_reading_the_ledger")]

    operations = [
        migrations.RemoveConstraint(model_name="charge", name="charge_kind_known"),
        migrations.AddField(
            model_name="charge",
            name="end_user",
            field=models.CharField(db_default="", default="", max_length=256),
        ),
        migrations.AddField(model_name="charge", name="key_id", field=models.UUIDField(null=True)),
        migrations.AddField(model_name="charge", name="token_id", field=models.UUIDField(null=True)),
        migrations.AlterField(
            model_name="charge",
            name="kind",
            field=models.CharField(
                choices=[
                    ("run", "Run"),
                    ("tool", "Tool"),
                    ("agent", "Agent"),
                    ("handoff", "Handoff"),
                    ("token", "Payment token"),
                ],
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ("run", "tool", "agent", "handoff", "token"))),
                name="charge_kind_known",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="parent",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="children",
                to="billing.hold",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="ancestors",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(),
                db_default=[],
                default=list,
                help_text="From the root to the parent.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="child_reserved",
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="hold",
            name="child_spent",
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(condition=models.Q(("parent__isnull", False)), fields=["parent"], name="hold_by_parent"),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "amount__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("child_reserved"), "+", models.F("child_spent")
                        ),
                    )
                ),
                name="hold_children_fit",
            ),
        ),
        migrations.RunSQL(REFERENCES, migrations.RunSQL.noop),
        migrations.RunSQL(GONE, migrations.RunSQL.noop),
        read("rules.sql"),
        read("holds.sql"),
        read("settlements.sql"),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
