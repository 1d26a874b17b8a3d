"""Figures know the model, the key and the tokens of each settlement; what had been added up is added up anew."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("billing", "0018_units_of_prices")]

    operations = [
        migrations.RunSQL("DROP VIEW IF EXISTS billing_usagefact", migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "usage_facts.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL("GRANT SELECT ON billing_usagefact TO robutler_ledger", migrations.RunSQL.noop),
        migrations.RunSQL("SELECT billing_rebuild_rollups()", migrations.RunSQL.noop),
    ]
