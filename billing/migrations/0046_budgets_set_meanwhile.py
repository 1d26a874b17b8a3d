"""A budget that is set while holds of its organization are opened waits for them: they meet no window out of order."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("billing", "0045_frozen_is_frozen")]

    operations = [
        migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop) for name in ("budgets.sql", "holds.sql")
    ]
