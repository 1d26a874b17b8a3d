"""Runs of embedding models, which no agent stands behind."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0006_bounded_prices"),
        ("tenants", "0005_audit_events"),
    ]

    operations = [
        migrations.AlterField(
            model_name="run",
            name="agent",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="runs",
                to="agents.agent",
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="version",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="agents.agentversion",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("agent__isnull", True), ("version__isnull", True)),
                    models.Q(("agent__isnull", False), ("version__isnull", False)),
                    _connector="OR",
                ),
                name="agents_run_of_an_agent_or_none",
            ),
        ),
    ]
