"""Runs that other runs asked for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0054_tries_of_requests"),
        ("tenants", "0010_time_zones"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="handed_by",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The agent that passed the conversation on to this one, if one did.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="parent_id",
            field=models.UUIDField(
                help_text="The run that asked for this one, because its agent called this one, or passed on to it.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("parent_id__isnull", False)),
                fields=["organization", "parent_id"],
                name="agents_run_of_run",
            ),
        ),
    ]
