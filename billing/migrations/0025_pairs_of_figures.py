"""Figures by the hour can be referred to with whose they are."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0024_budgets"),
        ("tenants", "0009_sign_in_attempts"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="usagehour",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="usage_hour_of_organization"),
        ),
    ]
