"""Prices of what is kept in a cache for an hour, and of images."""

from django.db import migrations, models

UNITS = (
    ("input", "Input token"),
    ("cached_input", "Cached input token"),
    ("cache_write", "Input token written to the cache"),
    ("cache_write_1h", "Input token written to the cache for an hour"),
    ("input_audio", "Audio input token"),
    ("input_image", "Image input token"),
    ("output", "Output token"),
    ("reasoning", "Reasoning token"),
    ("output_audio", "Audio output token"),
    ("output_image", "Image output token"),
    ("basis_points", "Basis points of the price"),
)


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_seed_prices")]

    operations = [
        migrations.RemoveConstraint("PriceItem", "price_item_unit_known"),
        migrations.AlterField("PriceItem", "unit", models.CharField(choices=UNITS, max_length=16)),
        migrations.AddConstraint(
            "PriceItem",
            models.CheckConstraint(
                condition=models.Q(unit__in=tuple(name for name, _ in UNITS)), name="price_item_unit_known"
            ),
        ),
    ]
