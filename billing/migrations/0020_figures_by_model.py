"""Figures know the model, the key and the tokens of each settlement; what had been added up is added up anew."""

from pathlib import Path

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("billing", "0019_busy_wallets")]

    operations = [
        migrations.AddIndex(
            model_name="settlement", index=models.Index(fields=["created_at"], name="settlement_by_time")
        ),
        migrations.AddIndex(model_name="transfer", index=BrinIndex(fields=["created_at"], name="transfer_by_time")),
        migrations.RunSQL("DROP VIEW IF EXISTS billing_usagefact", migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "usage_facts.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL("GRANT SELECT ON billing_usagefact TO robutler_ledger", migrations.RunSQL.noop),
        migrations.RunSQL("SELECT billing_rebuild_rollups()", migrations.RunSQL.noop),
    ]
