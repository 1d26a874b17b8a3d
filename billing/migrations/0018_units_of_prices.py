"""Prices of everything that providers bill by, and of the speeds that they serve at."""

from django.db import migrations, models
from django.db.models import Q

SMALL = (
    "cache_write", "cache_write_1h", "cached_input", "character_in", "character_out", "citation", "input", "input_audio",
    "input_image", "output", "output_audio", "output_image", "pixel_in", "pixel_out", "reasoning",
)  # fmt: skip
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
    ("citation", "Token of a cited source"),
    ("search", "Search"),
    ("image_in", "Image sent"),
    ("image_out", "Image made"),
    ("pixel_in", "Pixel sent"),
    ("pixel_out", "Pixel made"),
    ("second_in", "Second of sound or film sent"),
    ("second_out", "Second of sound or film made"),
    ("character_in", "Character sent"),
    ("character_out", "Character made"),
    ("page", "Page"),
    ("request", "Request"),
    ("basis_points", "Basis points of the price"),
)
KNOWN = (
    "input", "output", "cached_input", "cache_write", "cache_write_1h", "input_audio", "input_image", "reasoning",
    "output_audio", "output_image", "citation", "search", "image_in", "image_out", "pixel_in", "pixel_out", "second_in",
    "second_out", "character_in", "character_out", "page", "request", "basis_points",
)  # fmt: skip
TIERS = (("", "Usual"), ("batch", "Batch"), ("flex", "Flex"), ("priority", "Priority"))
TOKEN, PIECE, SHARE = 10**10, 10**13, 10_000


class Migration(migrations.Migration):
    dependencies = [("billing", "0017_paying")]

    operations = [
        migrations.AddField(
            "PriceItem",
            "service_tier",
            models.CharField(blank=True, choices=TIERS, db_default="", default="", max_length=8),
        ),
        migrations.AlterField("PriceItem", "unit", models.CharField(choices=UNITS, max_length=16)),
        migrations.RemoveConstraint("PriceItem", "price_item_unit_known"),
        migrations.AddConstraint(
            "PriceItem", models.CheckConstraint(condition=Q(unit__in=KNOWN), name="price_item_unit_known")
        ),
        migrations.AddConstraint(
            "PriceItem",
            models.CheckConstraint(
                condition=Q(service_tier__in=[name for name, _ in TIERS]), name="price_item_service_tier_known"
            ),
        ),
        migrations.RemoveConstraint("PriceItem", "price_item_price_bounded"),
        migrations.AddConstraint(
            "PriceItem",
            models.CheckConstraint(
                condition=Q(price__lte=SHARE)
                | (Q(unit__in=SMALL) & Q(price__lte=TOKEN))
                | (~Q(unit__in=(*SMALL, "basis_points")) & Q(price__lte=PIECE)),
                name="price_item_price_bounded",
                violation_error_message="No token costs more than a cent, nothing more than ten dollars, and no share "
                "is more than the whole.",
            ),
        ),
        migrations.RemoveConstraint("PriceItem", "price_item_key"),
        migrations.AddConstraint(
            "PriceItem",
            models.UniqueConstraint(
                fields=("version", "model", "unit", "service_tier", "context_from"), name="price_item_key"
            ),
        ),
    ]
