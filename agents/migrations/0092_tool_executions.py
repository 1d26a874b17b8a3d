"""Calls of tools that workers carry out."""

import django.db.models.deletion
from django.db import migrations, models

WALLS = """
ALTER TABLE agents_toolexecution ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents_toolexecution FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents_toolexecution TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON agents_toolexecution TO robutler_owner USING (true) WITH CHECK (true);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0091_approvals"),
        ("tenants", "0010_time_zones"),
    ]

    operations = [
        migrations.CreateModel(
            name="ToolExecution",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("agent_organization_id", models.UUIDField(help_text="Whose agent it is.")),
                ("agent_id", models.UUIDField()),
                ("agent_slug", models.CharField(max_length=64, verbose_name="agent")),
                ("version_id", models.UUIDField(help_text="The version of the agent that is carried out.")),
                ("run_id", models.UUIDField(help_text="The run that asked for it.")),
                ("call_id", models.CharField(help_text="The model's own name for the call.", max_length=128)),
                ("tool", models.CharField(max_length=64)),
                ("arguments", models.TextField(help_text="JSON.")),
                ("caller", models.JSONField(help_text="What the tool may know of the caller, and how it is limited.")),
                ("idempotent", models.BooleanField(help_text="Whether it does no harm to do it twice.")),
                ("timeout_s", models.FloatField(help_text="How long it may work.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("expired", "Took too long"),
                            ("cancelled", "Cancelled"),
                            ("outcome_unknown", "Outcome unknown"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                (
                    "fence",
                    models.IntegerField(
                        default=0, help_text="Counts who took it up; an earlier one's word does not count."
                    ),
                ),
                ("lease_until", models.DateTimeField(help_text="Until when its worker is taken for alive.", null=True)),
                ("queued_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(help_text="When nobody waits for it any more.")),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("done", models.FloatField(null=True)),
                ("total", models.FloatField(null=True)),
                ("note", models.CharField(blank=True, help_text="How far it is, in its own words.", max_length=200)),
                ("content", models.JSONField(help_text="What it returned.", null=True)),
                (
                    "credits",
                    models.DecimalField(decimal_places=18, help_text="What the call costs.", max_digits=30, null=True),
                ),
                ("reason", models.CharField(blank=True, help_text="What that is for.", max_length=200)),
                ("error", models.TextField(blank=True, help_text="What the model is told where it did not succeed.")),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
            ],
            options={
                "ordering": ("-queued_at",),
                "abstract": False,
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ("queued", "running"))),
                        fields=["state", "lease_until"],
                        name="agents_toolexecution_open",
                    ),
                    models.Index(fields=["organization", "run_id"], name="agents_toolexecution_of_run"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "id"), name="agents_toolexecution_organization_id"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["queued", "running", "succeeded", "failed", "expired", "cancelled", "outcome_unknown"],
                            )
                        ),
                        name="agents_toolexecution_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", True), ("state__in", ("queued", "running"))),
                            models.Q(
                                models.Q(("state__in", ("queued", "running")), _negated=True),
                                ("ended_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="agents_toolexecution_ended_or_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "running"), _negated=True),
                            ("lease_until__isnull", False),
                            _connector="OR",
                        ),
                        name="agents_toolexecution_running_is_leased",
                    ),
                ],
            },
        ),
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
    ]
