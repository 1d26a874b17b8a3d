"""MCP servers that organizations know, and what of them was approved."""

from decimal import Decimal

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

WALLS = """
ALTER TABLE agents_mcpserver ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents_mcpserver FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents_mcpserver TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON agents_mcpserver TO robutler_owner USING (true) WITH CHECK (true);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0093_memories"),
        ("tenants", "0010_time_zones"),
    ]

    operations = [
        migrations.CreateModel(
            name="MCPServer",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                (
                    "name",
                    models.CharField(
                        help_text="A short name; tools are called name__tool.",
                        max_length=32,
                        validators=[django.core.validators.RegexValidator("^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")],
                    ),
                ),
                (
                    "transport",
                    models.CharField(
                        choices=[
                            ("http", "Streamable HTTP"),
                            ("sse", "HTTP with server-sent events"),
                            ("operator", "Run by this platform's operator"),
                        ],
                        default="http",
                        max_length=8,
                    ),
                ),
                (
                    "url",
                    models.CharField(
                        blank=True, help_text="Where it is; nothing for one that the operator runs.", max_length=500
                    ),
                ),
                ("credential_id", models.UUIDField(blank=True, help_text="The credential that it is sent.", null=True)),
                (
                    "timeout_s",
                    models.FloatField(
                        default=60,
                        help_text="Seconds.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(300),
                        ],
                        verbose_name="time for a call",
                    ),
                ),
                (
                    "most_credits",
                    models.DecimalField(
                        decimal_places=6,
                        default=Decimal(0),
                        help_text="The most that a call may cost by the server's own account (_metering), in credits; 0: nothing.",
                        max_digits=12,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal(0)),
                            django.core.validators.MaxValueValidator(Decimal(100)),
                        ],
                        verbose_name="most for a call",
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                ("approved", models.JSONField(blank=True, default=list)),
                ("seen", models.JSONField(blank=True, default=list)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "Not looked at yet"),
                            ("ready", "As approved"),
                            ("changed", "Waits for approval"),
                            ("failing", "Cannot be used"),
                        ],
                        default="new",
                        max_length=8,
                    ),
                ),
                ("error", models.CharField(blank=True, max_length=500)),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
            ],
            options={
                "verbose_name": "MCP server",
                "ordering": ("name",),
                "abstract": False,
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "id"), name="agents_mcpserver_organization_id"),
                    models.UniqueConstraint(fields=("organization", "name"), name="agents_mcpserver_name_once"),
                    models.CheckConstraint(
                        condition=models.Q(("transport__in", ["http", "sse", "operator"])),
                        name="agents_mcpserver_transport_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["new", "ready", "changed", "failing"])),
                        name="agents_mcpserver_state_known",
                    ),
                ],
            },
        ),
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
    ]
