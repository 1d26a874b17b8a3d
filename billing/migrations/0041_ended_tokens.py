"""A payment token that is over lets nothing grow, and ends without waiting in a circle with its uses."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


def read(name):
    return migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("billing", "0040_names_of_batches")]

    operations = [read("holds.sql"), read("tokens.sql")]
