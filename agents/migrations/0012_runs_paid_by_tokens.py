"""Runs that a payment token pays for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0011_idempotent_answers"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="payer_id",
            field=models.UUIDField(help_text="The organization whose token paid, if any.", null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="payment_token",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The public id of the token that paid, if any.",
                max_length=12,
            ),
        ),
    ]
