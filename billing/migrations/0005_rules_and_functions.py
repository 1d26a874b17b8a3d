"""The rules of money: triggers that nothing can go around, and the functions through which alone it moves."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

# The functions act as the ledger, which sees every organization; callers may run them and no more.
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
    dependencies = [("billing", "0004_walls")]

    operations = [
        read("rules.sql"),
        read("triggers.sql"),
        read("accounts.sql"),
        read("holds.sql"),
        read("settlements.sql"),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
