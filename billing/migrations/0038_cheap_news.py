"""Who settles asks of the payers alone whether they listen, however many others do."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("billing", "0037_closing_months")]

    operations = [migrations.RunSQL((SQL / "outbox.sql").read_text(), migrations.RunSQL.noop)]
