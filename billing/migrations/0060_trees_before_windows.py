"""Whoever ends all tokens of an organization takes their trees before the windows of its budgets."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("billing", "0058_disputes")]

    operations = [migrations.RunSQL((SQL / "tokens.sql").read_text(), migrations.RunSQL.noop)]
