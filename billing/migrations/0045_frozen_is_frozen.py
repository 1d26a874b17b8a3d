"""A frozen wallet pays by no token, and no settlement passes a token's cap, however late."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

RIGHTS = """
REVOKE ALL ON FUNCTION billing_end_tokens_of FROM PUBLIC;
ALTER FUNCTION billing_end_tokens_of OWNER TO robutler_ledger;
"""


def read(name):
    return migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("billing", "0044_sweeping_in_order")]

    operations = [
        read("holds.sql"),
        read("settlements.sql"),
        read("tokens.sql"),
        read("adjustments.sql"),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
