"""Adding up what one key has spent."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0009_limits_of_agents"),
        ("tenants", "0005_audit_events"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["organization", "key_id"], name="agents_run_of_key"),
        ),
    ]
