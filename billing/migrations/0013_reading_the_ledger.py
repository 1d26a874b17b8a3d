"""Who may see the rollups and the seals, and the functions that alone write them."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

# What runs came to is its payer's to read; accounts of others, seals and findings are the platform's.
WALLS = """
ALTER TABLE billing_usagehour ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_usagehour FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON billing_usagehour FOR SELECT TO robutler_app USING (organization_id = robutler_organization());
CREATE POLICY owner ON billing_usagehour TO robutler_owner USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON billing_usagehour, billing_journalhour, billing_watermark, billing_seal
    FROM robutler_app, robutler_platform;
REVOKE ALL ON billing_journalhour, billing_watermark, billing_seal, billing_invariantrun, billing_reconciliation,
    billing_discrepancy FROM robutler_app;
REVOKE DELETE, TRUNCATE ON billing_reconciliation, billing_discrepancy FROM robutler_platform;
REVOKE UPDATE ON billing_reconciliation, billing_invariantrun FROM robutler_platform;
GRANT SELECT, INSERT, UPDATE, DELETE ON billing_usagehour, billing_journalhour TO robutler_ledger;
GRANT SELECT, INSERT ON billing_seal TO robutler_ledger;
GRANT SELECT, UPDATE ON billing_watermark TO robutler_ledger;
GRANT USAGE ON SEQUENCE billing_usagehour_id_seq, billing_journalhour_id_seq TO robutler_ledger;
INSERT INTO billing_watermark (job) VALUES ('rollups'), ('seals');
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_seal
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_reconciliation
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
"""

RIGHTS = """
ALTER FUNCTION billing_may_read(text) OWNER TO robutler_ledger;
ALTER FUNCTION billing_add_up(bigint, bigint, bigint, bigint) OWNER TO robutler_ledger;
ALTER FUNCTION billing_roll_up(bigint) OWNER TO robutler_ledger;
ALTER FUNCTION billing_rebuild_rollups() OWNER TO robutler_ledger;
ALTER FUNCTION billing_digest(bigint, bigint, bytea) OWNER TO robutler_ledger;
ALTER FUNCTION billing_seal(bigint) OWNER TO robutler_ledger;
ALTER FUNCTION billing_broken_seals() OWNER TO robutler_ledger;
REVOKE ALL ON FUNCTION billing_may_read(text), billing_add_up(bigint, bigint, bigint, bigint), billing_roll_up(bigint),
    billing_rebuild_rollups(), billing_digest(bigint, bigint, bytea), billing_seal(bigint), billing_broken_seals()
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_roll_up(bigint), billing_rebuild_rollups(), billing_seal(bigint),
    billing_broken_seals() TO robutler_platform;
"""


def read(name):
    return migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("billing", "0012_rollups_and_seals")]

    operations = [
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
        read("rollups.sql"),
        read("seals.sql"),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
