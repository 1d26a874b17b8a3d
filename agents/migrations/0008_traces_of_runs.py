"""The trace that a run belongs to. Code from before writes rows without it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0007_runs_without_agents")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="trace_id",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The trace that it belongs to, in logs and elsewhere.",
                max_length=32,
            ),
        ),
    ]
