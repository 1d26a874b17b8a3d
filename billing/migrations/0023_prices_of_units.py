"""Prices of the new units and of service tiers, as a version that follows the one a platform started with.

Where staff has published prices of its own, those go on to hold: importing litellm's file drafts the same.
"""

import json
from pathlib import Path

from django.db import migrations

SEED = Path(__file__).parent.parent / "prices" / "seed_units.json"
SEEDED = """
SELECT v.id, v.price_list_id FROM billing_priceversion v JOIN billing_pricelist l ON l.id = v.price_list_id
WHERE l.kind = 'provider_cost' AND v.state = 'published' AND v.valid_to IS NULL AND v.created_by = 'migration'
"""
DRAFT = """
INSERT INTO billing_priceversion (price_list_id, name, source, created_by)
VALUES (%s, 'units and service tiers', %s, 'migration') RETURNING id
"""
COPY = """
INSERT INTO billing_priceitem (version_id, model, unit, service_tier, context_from, price, most)
SELECT %s, model, unit, service_tier, context_from, price, most FROM billing_priceitem WHERE version_id = %s
"""
INSERT = """
INSERT INTO billing_priceitem (version_id, model, unit, service_tier, context_from, price, most)
SELECT %s, item.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::bigint[]) AS item
ON CONFLICT DO NOTHING
"""
END = "UPDATE billing_priceversion SET valid_to = now() WHERE id = %s"
PUBLISH = (
    "UPDATE billing_priceversion SET state = 'published', valid_from = now(), published_by = 'migration' WHERE id = %s"
)


def add(apps, schema_editor):
    seed = json.loads(SEED.read_text())
    rows = [(name, *row) for name, priced in seed["models"].items() for row in priced]
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(SEEDED)
        for seeded, price_list in cursor.fetchall():
            cursor.execute(DRAFT, (price_list, seed["source"]))
            (version,) = cursor.fetchone()
            cursor.execute(COPY, (version, seeded))
            cursor.execute(INSERT, (version, *map(list, zip(*rows, strict=True))))
            cursor.execute(END, (seeded,))
            cursor.execute(PUBLISH, (version,))


class Migration(migrations.Migration):
    dependencies = [("billing", "0022_outbox")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
