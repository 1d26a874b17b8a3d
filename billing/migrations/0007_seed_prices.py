"""The prices a new platform starts with, published; the platform's fee starts at nothing."""

import json
from pathlib import Path

from django.db import migrations

SEED = Path(__file__).parent.parent / "prices" / "seed.json"
KINDS = ("input", "cached_input", "cache_write", "input_audio", "output", "reasoning", "output_audio")
"""What this table takes by now; the rest of the file is for a later migration."""
SINCE = "2024-01-01T00:00:00Z"
INSERT = """
INSERT INTO billing_priceitem (version_id, model, unit, context_from, price, most)
SELECT %s, item.* FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[]) AS item
"""
PUBLISH = (
    "UPDATE billing_priceversion SET state = 'published', valid_from = %s, published_by = 'migration' WHERE id = %s"
)


def load(apps, schema_editor):
    models = json.loads(SEED.read_text())["models"]
    with schema_editor.connection.cursor() as cursor:
        costs = draft(cursor, "provider_cost", "Providers' prices")
        rows = [
            (name, unit, int(context_from), pico, price["most"] if unit == "output" else None)
            for name, price in models.items()
            for context_from, tier in price["tiers"].items()
            for unit, pico in tier.items()
            if unit in KINDS
        ]
        cursor.execute(INSERT, (costs, *map(list, zip(*rows, strict=True))))
        cursor.execute(PUBLISH, (SINCE, costs))

        fee = draft(cursor, "platform_fee", "The platform's fee")
        cursor.execute(
            "INSERT INTO billing_priceitem (version_id, model, unit, price) VALUES (%s, '*', 'basis_points', 0)", (fee,)
        )
        cursor.execute(PUBLISH, (SINCE, fee))


def draft(cursor, kind, name):
    cursor.execute("INSERT INTO billing_pricelist (kind, name) VALUES (%s, %s) RETURNING id", (kind, name))
    (price_list,) = cursor.fetchone()
    cursor.execute(
        "INSERT INTO billing_priceversion (price_list_id, name, created_by) VALUES (%s, 'seed', 'migration') RETURNING id",
        (price_list,),
    )
    return cursor.fetchone()[0]


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_platform_accounts")]

    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
