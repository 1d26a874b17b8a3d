"""How often somebody tried to sign in lately, from where."""

from django.db import migrations, models

# Counted before anybody is known, by the platform alone.
WALL = "REVOKE ALL ON tenants_signinattempts FROM robutler_app;"


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0008_limits_in_the_look_up"),
    ]

    operations = [
        migrations.CreateModel(
            name="SignInAttempts",
            fields=[
                (
                    "digest",
                    models.CharField(
                        help_text="Of the e-mail address and the place.",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("attempts", models.PositiveIntegerField()),
                ("since", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["since"], name="signinattempts_by_time")],
            },
        ),
        migrations.RunSQL(WALL, migrations.RunSQL.noop),
    ]
