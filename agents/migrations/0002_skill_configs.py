"""The skills of a draft."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

WALLS = """
ALTER TABLE agents_skillconfig ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents_skillconfig FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents_skillconfig TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON agents_skillconfig TO robutler_owner USING (true) WITH CHECK (true);
"""

REFERENCES = """
ALTER TABLE agents_skillconfig ADD CONSTRAINT agents_skill_agent
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents_agent (organization_id, id) ON DELETE CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0001_agents_and_versions"),
        ("tenants", "0001_people_and_organizations"),
    ]

    operations = [
        migrations.CreateModel(
            name="SkillConfig",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("skill", models.CharField(help_text="The skill's registered name.", max_length=64)),
                ("options", models.JSONField(blank=True, default=dict)),
                ("enabled", models.BooleanField(default=True)),
                ("position", models.PositiveSmallIntegerField(default=0, help_text="Order among the agent's skills.")),
                (
                    "agent",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="skill_configs",
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
                "ordering": ("position", "skill"),
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddConstraint(
            model_name="skillconfig",
            constraint=models.UniqueConstraint(
                fields=("organization", "agent", "skill"), name="agents_skill_once_per_agent"
            ),
        ),
        migrations.AddConstraint(
            model_name="skillconfig",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="agents_skill_organization_id"),
        ),
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
        migrations.RunSQL(REFERENCES, migrations.RunSQL.noop),
    ]
