"""Who may touch statements, and the functions that close months."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {table} FOR SELECT TO robutler_app USING (organization_id = robutler_organization());
CREATE POLICY owner ON {table} TO robutler_owner USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM robutler_app, robutler_platform;
GRANT SELECT, INSERT ON {table} TO robutler_ledger;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
"""

# A statement begins where the one before ended: at its moment, after its last transfer, with its closing balance.
REFERENCES = """
ALTER TABLE billing_statement ADD CONSTRAINT statement_begins_where_the_last_ended
    FOREIGN KEY (organization_id, previous_id, opening, after_transfer, starts_at)
    REFERENCES billing_statement (organization_id, id, closing, last_transfer, ends_at);
ALTER TABLE billing_statement ADD CONSTRAINT statement_organization_and_id UNIQUE (organization_id, id);
ALTER TABLE billing_statementfile ADD CONSTRAINT statement_file_statement
    FOREIGN KEY (organization_id, statement_id) REFERENCES billing_statement (organization_id, id);
ALTER TABLE billing_statementfile ADD CONSTRAINT statement_file_hash
    CHECK (sha256 = encode(sha256(pdf), 'hex'));
"""

RIGHTS = """
REVOKE ALL ON FUNCTION billing_close_statement, billing_wallet_transfers, billing_keep_statement,
    billing_statements_due FROM PUBLIC;
ALTER FUNCTION billing_close_statement OWNER TO robutler_ledger;
ALTER FUNCTION billing_keep_statement OWNER TO robutler_ledger;
ALTER FUNCTION billing_statements_due OWNER TO robutler_ledger;
GRANT SELECT ON tenants_organization TO robutler_ledger;
GRANT EXECUTE ON FUNCTION billing_wallet_transfers TO robutler_app, robutler_platform, robutler_ledger;
GRANT EXECUTE ON FUNCTION billing_close_statement, billing_keep_statement, billing_statements_due
    TO robutler_platform;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0036_statements")]

    operations = [
        migrations.RunSQL(WALL.format(table="billing_statement"), migrations.RunSQL.noop),
        migrations.RunSQL(WALL.format(table="billing_statementfile"), migrations.RunSQL.noop),
        migrations.RunSQL(REFERENCES, migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "statements.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "payouts.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
