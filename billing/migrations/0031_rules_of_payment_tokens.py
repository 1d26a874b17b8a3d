"""The walls around payment tokens, the rules they keep, and the functions that mint and end them."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

WALL = """
ALTER TABLE billing_paymenttoken ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_paymenttoken FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON billing_paymenttoken FOR SELECT TO robutler_app
    USING (organization_id = robutler_organization());
CREATE POLICY owner ON billing_paymenttoken TO robutler_owner USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON billing_paymenttoken FROM robutler_app, robutler_platform;
GRANT SELECT, INSERT, UPDATE ON billing_paymenttoken TO robutler_ledger;
GRANT SELECT ON tenants_organization TO robutler_ledger;
ALTER TABLE billing_paymenttoken ADD CONSTRAINT token_parent
    FOREIGN KEY (organization_id, parent_id) REFERENCES billing_paymenttoken (organization_id, id);
ALTER TABLE billing_paymenttoken ADD CONSTRAINT token_root
    FOREIGN KEY (organization_id, root_id) REFERENCES billing_paymenttoken (organization_id, id);
ALTER TABLE billing_paymenttoken ADD CONSTRAINT token_hold
    FOREIGN KEY (organization_id, hold_id) REFERENCES billing_hold (organization_id, id);
"""

# Whoever was handed a token may be of any organization: the functions that find one, and take what it pays, look for it
# by a text that nobody guesses, or by who earns by it.
RIGHTS = """
DO $$
DECLARE
    function record;
BEGIN
    FOR function IN
        SELECT p.oid::regprocedure AS signature, p.prosecdef AS acts_as_owner FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN (
            'billing_token_state', 'billing_token_lookup', 'billing_mint_token', 'billing_token_forbids',
            'billing_lock_tree', 'billing_end_token', 'billing_tokens_overdue', 'billing_token_use',
            'billing_capture_use', 'billing_tell_of_token', 'billing_guard_token', 'billing_guard_token_use', 'billing_guard_token_budget'
        )
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function.signature);
        IF function.acts_as_owner THEN
            EXECUTE format('ALTER FUNCTION %s OWNER TO robutler_ledger', function.signature);
        END IF;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION
    billing_token_lookup, billing_mint_token, billing_end_token, billing_token_use, billing_capture_use,
    billing_tell_of_token TO robutler_app, robutler_platform;
GRANT EXECUTE ON FUNCTION billing_tokens_overdue TO robutler_platform;
"""


def read(name):
    return migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("billing", "0030_payment_tokens"), ("tenants", "0009_sign_in_attempts")]

    operations = [
        migrations.RunSQL(WALL, migrations.RunSQL.noop),
        read("token_rules.sql"),
        read("tokens.sql"),
        read("token_triggers.sql"),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
