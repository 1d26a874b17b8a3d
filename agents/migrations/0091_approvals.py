"""Questions to members about what runs want to do."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

WALLS = """
ALTER TABLE agents_approval ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents_approval FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents_approval TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON agents_approval TO robutler_owner USING (true) WITH CHECK (true);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0061_runs_that_come_from_runs"),
        ("tenants", "0010_time_zones"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Approval",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("agent_id", models.UUIDField(help_text="The agent that asks.")),
                ("agent_slug", models.CharField(max_length=64, verbose_name="agent")),
                ("run_id", models.UUIDField(help_text="The run that waits.")),
                ("tool", models.CharField(max_length=64)),
                (
                    "arguments",
                    models.TextField(blank=True, help_text="What the tool is called with, as JSON; cut if it is long."),
                ),
                ("reason", models.TextField(blank=True, help_text="Why somebody is asked.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting"),
                            ("approved", "Approved"),
                            ("declined", "Declined"),
                            ("expired", "Nobody decided"),
                        ],
                        default="pending",
                        max_length=8,
                    ),
                ),
                ("asked_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
            ],
            options={
                "ordering": ("-asked_at",),
                "abstract": False,
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "pending")),
                        fields=["organization", "expires_at"],
                        name="agents_approval_pending",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "id"), name="agents_approval_organization_id"),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["pending", "approved", "declined", "expired"])),
                        name="agents_approval_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at__isnull", True), ("state", "pending")),
                            models.Q(models.Q(("state", "pending"), _negated=True), ("decided_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="agents_approval_decided_or_pending",
                    ),
                ],
            },
        ),
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
    ]
