"""The prices of the new kinds of tokens, as a version that follows the one a platform starts with.

Where staff has published prices of its own, those go on to hold: the new kinds then cost what they are a part of.
"""

import json
from pathlib import Path

from django.db import migrations

SEED = Path(__file__).parent.parent / "prices" / "seed.json"
KINDS = ("cache_write_1h", "input_image", "output_image")
SEEDED = """
SELECT v.id, v.price_list_id FROM billing_priceversion v JOIN billing_pricelist l ON l.id = v.price_list_id
WHERE l.kind = 'provider_cost' AND v.state = 'published' AND v.valid_to IS NULL AND v.created_by = 'migration'
"""
KNOWN = "SELECT DISTINCT model FROM billing_priceitem WHERE version_id = %s"
DRAFT = """
INSERT INTO billing_priceversion (price_list_id, name, created_by) VALUES (%s, 'kinds of tokens', 'migration')
RETURNING id
"""
COPY = """
INSERT INTO billing_priceitem (version_id, model, unit, context_from, price, most)
SELECT %s, model, unit, context_from, price, most FROM billing_priceitem WHERE version_id = %s
"""
INSERT = """
INSERT INTO billing_priceitem (version_id, model, unit, context_from, price)
SELECT %s, item.* FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[]) AS item
"""
END = "UPDATE billing_priceversion SET valid_to = now() WHERE id = %s"
PUBLISH = (
    "UPDATE billing_priceversion SET state = 'published', valid_from = now(), published_by = 'migration' WHERE id = %s"
)


def add(apps, schema_editor):
    models = json.loads(SEED.read_text())["models"]
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(SEEDED)
        for seeded, price_list in cursor.fetchall():
            cursor.execute(KNOWN, (seeded,))
            known = {name for (name,) in cursor.fetchall()}
            # Of a model that has no price yet a part of one would be taken for the whole.
            rows = [
                (name, unit, int(context_from), pico)
                for name, price in models.items()
                for context_from, tier in price["tiers"].items()
                for unit, pico in tier.items()
                if unit in KINDS and name in known
            ]
            if not rows:
                continue
            cursor.execute(DRAFT, (price_list,))
            (version,) = cursor.fetchone()
            cursor.execute(COPY, (version, seeded))
            cursor.execute(INSERT, (version, *map(list, zip(*rows, strict=True))))
            cursor.execute(END, (seeded,))
            cursor.execute(PUBLISH, (version,))


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_kinds_of_tokens")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
