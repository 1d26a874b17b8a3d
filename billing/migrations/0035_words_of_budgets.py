"""Who reads figures reads how far they reach; warnings of budgets say whose they are, and by which calendar."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("billing", "0034_one_way_to_top_up")]

    operations = [
        migrations.RunSQL(
            "GRANT SELECT ON billing_watermark TO robutler_app, robutler_platform", migrations.RunSQL.noop
        ),
        migrations.RunSQL((SQL / "budgets.sql").read_text(), migrations.RunSQL.noop),
    ]
