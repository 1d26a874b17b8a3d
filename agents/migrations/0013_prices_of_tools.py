"""Prices of an agent's own for calls of its tools."""

from django.db import migrations, models


def prices() -> models.JSONField:
    """The same field of a draft and of a version."""
    return models.JSONField(
        blank=True,
        db_default={},
        default=dict,
        help_text="What a call of a tool costs in place of its own price, in nanodollars by the tool's name.",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0012_runs_paid_by_tokens"),
    ]

    operations = [
        migrations.AddField(model_name="agent", name="tool_prices", field=prices()),
        migrations.AddField(model_name="agentversion", name="tool_prices", field=prices()),
    ]
