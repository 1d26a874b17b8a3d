"""Which limit is the tightest is looked up for refusals alone."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("billing", "0042_roots_have_nothing_above")]

    operations = [migrations.RunSQL((SQL / "holds.sql").read_text(), migrations.RunSQL.noop)]
