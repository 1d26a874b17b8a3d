"""The sweeper locks whole trees at once, in the order in which everybody does."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("billing", "0043_tightest_when_asked")]

    operations = [migrations.RunSQL((SQL / "settlements.sql").read_text(), migrations.RunSQL.noop)]
