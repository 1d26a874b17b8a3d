"""Where an organization's months begin and end."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0009_sign_in_attempts")]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="time_zone",
            field=models.CharField(
                db_default="UTC",
                default="UTC",
                help_text="Where its months begin and end, such as Europe/Riga.",
                max_length=64,
            ),
        ),
    ]
