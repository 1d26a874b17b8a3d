"""Money comes in by top-ups over time alone; those who are told of them hear where it happens."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


def read(name):
    return migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("billing", "0033_news_of_settlements")]

    operations = [
        migrations.RunSQL(
            "DROP FUNCTION IF EXISTS billing_top_up(uuid, uuid, bigint, text, text)", migrations.RunSQL.noop
        ),
        read("top_ups.sql"),
        read("refunds.sql"),
    ]
