"""Who reads budgets reads their periods."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0031_rules_of_payment_tokens")]

    operations = [
        migrations.RunSQL(
            "GRANT EXECUTE ON FUNCTION billing_period TO robutler_app, robutler_platform", migrations.RunSQL.noop
        ),
    ]
