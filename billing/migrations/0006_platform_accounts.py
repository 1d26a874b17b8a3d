"""The platform's own accounts."""

from django.db import migrations

ACCOUNTS = """
INSERT INTO billing_account (code, kind, normal) VALUES
    ('platform:platform_revenue', 'platform_revenue', 'C'),
    ('platform:provider_cost', 'provider_cost', 'D'),
    ('platform:provider_payable', 'provider_payable', 'C'),
    ('platform:external_clearing', 'external_clearing', 'D'),
    ('platform:overrun_loss', 'overrun_loss', 'D');
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0005_rules_and_functions")]

    operations = [migrations.RunSQL(ACCOUNTS, migrations.RunSQL.noop)]
