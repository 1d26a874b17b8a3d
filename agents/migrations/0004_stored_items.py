"""What skills keep for a caller of an agent."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

WALLS = """
ALTER TABLE agents_storeditem ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents_storeditem FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents_storeditem TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON agents_storeditem TO robutler_owner USING (true) WITH CHECK (true);
"""

REFERENCES = """
ALTER TABLE agents_storeditem ADD CONSTRAINT agents_item_agent
    FOREIGN KEY (agent_organization_id, agent_id) REFERENCES agents_agent (organization_id, id) ON DELETE CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_runs"),
        ("tenants", "0001_people_and_organizations"),
    ]

    operations = [
        migrations.CreateModel(
            name="StoredItem",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("agent_organization_id", models.UUIDField(help_text="The organization whose agent keeps this.")),
                ("namespace", models.CharField(max_length=64)),
                ("key", models.CharField(max_length=256)),
                ("value", models.JSONField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                (
                    "agent",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="agents.agent",
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
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddIndex(
            model_name="storeditem",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False)), fields=["expires_at"], name="agents_item_expiring"
            ),
        ),
        migrations.AddConstraint(
            model_name="storeditem",
            constraint=models.UniqueConstraint(
                fields=("organization", "agent", "namespace", "key"), name="agents_item_key_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="storeditem",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="agents_item_organization_id"),
        ),
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
        migrations.RunSQL(REFERENCES, migrations.RunSQL.noop),
    ]
