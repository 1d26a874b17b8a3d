"""Nothing takes a grant out of a wallet for its age before its time is over."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("billing", "0046_budgets_set_meanwhile")]

    operations = [migrations.RunSQL((SQL / "decision_rules.sql").read_text(), migrations.RunSQL.noop)]
