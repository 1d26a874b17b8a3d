"""What keys said of limits themselves becomes rules about them."""

from django.db import migrations

RULES = """
INSERT INTO tenants_ratelimit
    (id, organization_id, kind, subject, set_by_staff, requests_per_minute, max_parallel, updated_at)
SELECT gen_random_uuid(), organization_id, 'key', id::text, false,
       nullif(requests_per_minute, 0), nullif(max_parallel, 0), now()
FROM tenants_apikey
WHERE nullif(requests_per_minute, 0) IS NOT NULL OR nullif(max_parallel, 0) IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0006_rate_limits")]

    operations = [migrations.RunSQL(RULES, migrations.RunSQL.noop)]
