"""Requests that an SDK sends again, found by what they ask; and the runs that began for them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0013_prices_of_tools"),
    ]

    operations = [
        migrations.AddField(
            model_name="idempotentanswer",
            name="awaited_until",
            field=models.DateTimeField(
                help_text="Somebody who asked again waits for it; prolonged by them.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="idempotentanswer",
            index=models.Index(fields=["organization", "digest"], name="agents_answer_to_what"),
        ),
        migrations.AddField(
            model_name="run",
            name="retry_of",
            field=models.UUIDField(
                help_text="The run of an earlier try of the same request, which its client's SDK sent again.",
                null=True,
            ),
        ),
    ]
