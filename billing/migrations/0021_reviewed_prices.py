"""Two people and an accepted reason between a draft of prices and everybody's bills."""

from pathlib import Path

import django.contrib.postgres.fields
from django.db import migrations, models
from django.db.models import Q

SQL = Path(__file__).parent.parent / "sql"
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

WALL = """
ALTER TABLE billing_priceacceptance ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_priceacceptance FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON billing_priceacceptance TO robutler_owner USING (true) WITH CHECK (true);
REVOKE ALL ON billing_priceacceptance FROM robutler_app;
REVOKE UPDATE, DELETE, TRUNCATE ON billing_priceacceptance FROM robutler_platform;
"""
FUNCTIONS = (
    "billing_price_base(bigint), billing_price_changes(bigint), billing_price_doubts(bigint), "
    "billing_price_needs_another(bigint)"
)
GRANTS = f"""
REVOKE ALL ON FUNCTION {FUNCTIONS}, billing_guard_publication(), billing_guard_price_authors() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {FUNCTIONS} TO robutler_platform;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0020_figures_by_model")]

    operations = [
        migrations.AddField(
            "PriceVersion",
            "source",
            models.CharField(db_default="", default="", help_text="Where the prices are from.", max_length=120),
        ),
        migrations.AddField(
            "PriceVersion",
            "editors",
            django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=254), db_default=[], default=list, help_text="Who changed it."
            ),
        ),
        migrations.CreateModel(
            name="PriceAcceptance",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.deletion.PROTECT,
                        related_name="acceptances",
                        to="billing.priceversion",
                    ),
                ),
                ("model", models.CharField(max_length=200)),
                ("unit", models.CharField(choices=UNITS, max_length=16)),
                ("service_tier", models.CharField(blank=True, db_default="", default="", max_length=8)),
                ("context_from", models.PositiveIntegerField(db_default=0, default=0)),
                ("price", models.PositiveBigIntegerField(help_text="Picodollars per unit.")),
                ("reason", models.CharField(max_length=500)),
                ("accepted_by", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField(db_default=models.functions.Now())),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=~Q(reason="") & ~Q(accepted_by=""), name="price_acceptance_is_explained"
                    ),
                    models.UniqueConstraint(
                        fields=("version", "model", "unit", "service_tier", "context_from", "price"),
                        name="price_acceptance_key",
                    ),
                ],
            },
        ),
        migrations.RunSQL(WALL, migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "prices.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "prices_triggers.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL(GRANTS, migrations.RunSQL.noop),
    ]
