"""What an owner may ask at most, so that no run can come to more than the books can hold."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0005_published_agents"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="agentversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("input_price_pico__lte", 10000000000),
                    ("output_price_pico__lte", 10000000000),
                    ("price_per_run_nanos__lte", 1000000000000),
                ),
                name="agents_agentversion_prices_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("input_price_pico__lte", 10000000000),
                    ("output_price_pico__lte", 10000000000),
                    ("price_per_run_nanos__lte", 1000000000000),
                ),
                name="agents_agent_prices_bounded",
            ),
        ),
    ]
