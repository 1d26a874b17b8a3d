"""Runs: their caller sees them, and so does the owner of the agent; what was said only the caller."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

WALLS = """
ALTER TABLE agents_run ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents_run FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents_run TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON agents_run TO robutler_owner USING (true) WITH CHECK (true);

ALTER TABLE agents_runcontent ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents_runcontent FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents_runcontent TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON agents_runcontent TO robutler_owner USING (true) WITH CHECK (true);
"""

REFERENCES = """
CREATE POLICY agent_owner ON agents_run FOR SELECT TO robutler_app
    USING (agent_organization_id = robutler_organization());
ALTER TABLE agents_run ADD CONSTRAINT agents_run_agent
    FOREIGN KEY (agent_organization_id, agent_id) REFERENCES agents_agent (organization_id, id);
ALTER TABLE agents_run ADD CONSTRAINT agents_run_version
    FOREIGN KEY (agent_organization_id, agent_id, version_id)
    REFERENCES agents_agentversion (organization_id, agent_id, id);
ALTER TABLE agents_runcontent ADD CONSTRAINT agents_content_run
    FOREIGN KEY (organization_id, id) REFERENCES agents_run (organization_id, id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_skill_configs"),
        ("tenants", "0001_people_and_organizations"),
    ]

    operations = [
        migrations.CreateModel(
            name="Run",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("agent_organization_id", models.UUIDField(help_text="The organization whose agent ran.")),
                ("address", models.CharField(help_text="The agent's name, as the caller sees it.", max_length=160)),
                ("model", models.CharField(max_length=200)),
                ("key_id", models.UUIDField(help_text="The API key that called.", null=True)),
                ("request_id", models.CharField(max_length=128)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("finished", "Finished"),
                            ("failed", "Failed"),
                            ("disconnected", "Caller left"),
                            ("cancelled", "Stopped by the platform"),
                        ],
                        default="running",
                        max_length=12,
                    ),
                ),
                ("finish_reason", models.CharField(blank=True, max_length=16)),
                (
                    "stopped_by",
                    models.CharField(blank=True, help_text="What cut the run short, if anything.", max_length=32),
                ),
                (
                    "error",
                    models.CharField(blank=True, help_text="The name of what went wrong, if anything.", max_length=64),
                ),
                ("turns", models.PositiveSmallIntegerField(default=0)),
                ("input_tokens", models.PositiveBigIntegerField(default=0)),
                ("cached_input_tokens", models.PositiveBigIntegerField(default=0)),
                ("output_tokens", models.PositiveBigIntegerField(default=0)),
                ("reasoning_tokens", models.PositiveBigIntegerField(default=0)),
                (
                    "usage_source",
                    models.CharField(blank=True, help_text="provider, counted or estimated.", max_length=10),
                ),
                (
                    "cost_nanos",
                    models.PositiveBigIntegerField(default=0, help_text="What the provider charges for it."),
                ),
                ("charged_nanos", models.PositiveBigIntegerField(default=0, help_text="What the caller paid.")),
                ("test_mode", models.BooleanField(default=False)),
                ("started_at", models.DateTimeField()),
                ("first_chunk_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "agent",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="agents.agent",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="agents.agentversion",
                    ),
                ),
            ],
            options={
                "ordering": ("-started_at",),
                "default_manager_name": "objects",
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="RunContent",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("end_user", models.CharField(blank=True, max_length=256)),
                ("conversation_id", models.CharField(blank=True, max_length=256)),
                ("messages", models.JSONField(default=list, help_text="What the caller sent.")),
                ("reply", models.TextField(blank=True, help_text="The text that was answered.")),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["organization", "-started_at"], name="agents_run_recent"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["agent_organization_id", "agent", "-started_at"], name="agents_run_of_agent"),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="agents_run_organization_id"),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["running", "finished", "failed", "disconnected", "cancelled"])),
                name="agents_run_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(("status", "running"), ("ended_at__isnull", False), _connector="OR"),
                name="agents_run_ended_or_running",
            ),
        ),
        migrations.AddConstraint(
            model_name="runcontent",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="agents_content_organization_id"),
        ),
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
        migrations.RunSQL(REFERENCES, migrations.RunSQL.noop),
    ]
