"""Telling whose rows are locked, so that the others need not wait with them."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

RIGHTS = """
REVOKE ALL ON FUNCTION billing_busy FROM PUBLIC;
ALTER FUNCTION billing_busy OWNER TO robutler_ledger;
GRANT EXECUTE ON FUNCTION billing_busy TO robutler_app, robutler_platform;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0018_units_of_prices")]

    operations = [
        migrations.RunSQL((SQL / "locks.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
