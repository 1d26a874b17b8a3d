"""Settled charges and expired holds are told to those who listen."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

RIGHTS = """
REVOKE ALL ON FUNCTION billing_tell_expired FROM PUBLIC;
ALTER FUNCTION billing_tell_expired OWNER TO robutler_ledger;
"""


def read(name):
    return migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("billing", "0032_reading_budgets")]

    operations = [read("outbox.sql"), read("settlements.sql"), migrations.RunSQL(RIGHTS, migrations.RunSQL.noop)]
