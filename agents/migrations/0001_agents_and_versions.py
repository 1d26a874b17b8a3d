"""Agents, their drafts and their versions, which nothing can change."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

WALLS = """
ALTER TABLE agents_agent ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents_agent FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents_agent TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON agents_agent TO robutler_owner USING (true) WITH CHECK (true);

ALTER TABLE agents_agentversion ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents_agentversion FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents_agentversion TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON agents_agentversion TO robutler_owner USING (true) WITH CHECK (true);
"""

REFERENCES = """
ALTER TABLE agents_agentversion ADD CONSTRAINT agents_version_agent
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents_agent (organization_id, id);
ALTER TABLE agents_agent ADD CONSTRAINT agents_agent_published
    FOREIGN KEY (organization_id, id, published_version_id)
    REFERENCES agents_agentversion (organization_id, agent_id, id);
"""

FROZEN = """
CREATE FUNCTION agents_version_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'A version of an agent never changes: publish another one.' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON agents_agentversion
    FOR EACH ROW EXECUTE FUNCTION agents_version_is_frozen();
CREATE TRIGGER frozen_whole BEFORE TRUNCATE ON agents_agentversion
    FOR EACH STATEMENT EXECUTE FUNCTION agents_version_is_frozen();
REVOKE UPDATE, DELETE, TRUNCATE ON agents_agentversion FROM robutler_app, robutler_platform;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_people_and_organizations"),
    ]

    operations = [
        migrations.CreateModel(
            name="Agent",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                (
                    "instructions",
                    models.TextField(blank=True, help_text="What the agent is told before anything else."),
                ),
                (
                    "model",
                    models.CharField(
                        help_text="`provider/model`, such as openai/gpt-4o-mini or scripted/persona.", max_length=200
                    ),
                ),
                (
                    "sampling",
                    models.JSONField(
                        blank=True, default=dict, help_text="Defaults of the model's parameters, by their OpenAI names."
                    ),
                ),
                (
                    "locked",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        default=list,
                        help_text="Parameters that a request may not override.",
                        size=None,
                    ),
                ),
                (
                    "drop_unsupported",
                    models.BooleanField(
                        default=False,
                        help_text="Drop parameters that the model does not take, instead of refusing the request.",
                    ),
                ),
                (
                    "limits",
                    models.JSONField(
                        blank=True, default=dict, help_text="Limits of a run that differ from the defaults."
                    ),
                ),
                (
                    "on_disconnect",
                    models.CharField(
                        choices=[("abort", "Stop at once"), ("finish", "Finish, for at most a minute")],
                        default="abort",
                        max_length=8,
                    ),
                ),
                (
                    "keeps_content",
                    models.BooleanField(
                        default=False, help_text="Keep what was said in a run, for the caller's organization to read."
                    ),
                ),
                (
                    "price_per_run_nanos",
                    models.PositiveBigIntegerField(
                        default=0,
                        help_text="Added to each run that is served, in nanodollars.",
                        validators=[django.core.validators.MaxValueValidator(1000000000000)],
                    ),
                ),
                (
                    "markup_bps",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Added to the model's cost, in hundredths of a percent.",
                        validators=[django.core.validators.MaxValueValidator(100000)],
                    ),
                ),
                (
                    "input_price_pico",
                    models.PositiveBigIntegerField(
                        blank=True,
                        help_text="The agent's own price of an input token, in picodollars.",
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(10000000000)],
                    ),
                ),
                (
                    "output_price_pico",
                    models.PositiveBigIntegerField(
                        blank=True,
                        help_text="The agent's own price of an output token, in picodollars.",
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(10000000000)],
                    ),
                ),
                (
                    "slug",
                    models.CharField(
                        help_text="The agent's name in addresses.",
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9]([a-z0-9-]*[a-z0-9])?\\Z",
                                "Lower-case letters, digits and hyphens in between.",
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                (
                    "description",
                    models.TextField(
                        blank=True, help_text="What the agent does, for those who call it.", max_length=2000
                    ),
                ),
                (
                    "visibility",
                    models.CharField(
                        choices=[("private", "Only our own organization"), ("public", "Everyone")],
                        default="private",
                        max_length=8,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("disabled", "Disabled")], default="active", max_length=8
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
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
        migrations.CreateModel(
            name="AgentVersion",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                (
                    "instructions",
                    models.TextField(blank=True, help_text="What the agent is told before anything else."),
                ),
                (
                    "model",
                    models.CharField(
                        help_text="`provider/model`, such as openai/gpt-4o-mini or scripted/persona.", max_length=200
                    ),
                ),
                (
                    "sampling",
                    models.JSONField(
                        blank=True, default=dict, help_text="Defaults of the model's parameters, by their OpenAI names."
                    ),
                ),
                (
                    "locked",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        default=list,
                        help_text="Parameters that a request may not override.",
                        size=None,
                    ),
                ),
                (
                    "drop_unsupported",
                    models.BooleanField(
                        default=False,
                        help_text="Drop parameters that the model does not take, instead of refusing the request.",
                    ),
                ),
                (
                    "limits",
                    models.JSONField(
                        blank=True, default=dict, help_text="Limits of a run that differ from the defaults."
                    ),
                ),
                (
                    "on_disconnect",
                    models.CharField(
                        choices=[("abort", "Stop at once"), ("finish", "Finish, for at most a minute")],
                        default="abort",
                        max_length=8,
                    ),
                ),
                (
                    "keeps_content",
                    models.BooleanField(
                        default=False, help_text="Keep what was said in a run, for the caller's organization to read."
                    ),
                ),
                (
                    "price_per_run_nanos",
                    models.PositiveBigIntegerField(
                        default=0,
                        help_text="Added to each run that is served, in nanodollars.",
                        validators=[django.core.validators.MaxValueValidator(1000000000000)],
                    ),
                ),
                (
                    "markup_bps",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Added to the model's cost, in hundredths of a percent.",
                        validators=[django.core.validators.MaxValueValidator(100000)],
                    ),
                ),
                (
                    "input_price_pico",
                    models.PositiveBigIntegerField(
                        blank=True,
                        help_text="The agent's own price of an input token, in picodollars.",
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(10000000000)],
                    ),
                ),
                (
                    "output_price_pico",
                    models.PositiveBigIntegerField(
                        blank=True,
                        help_text="The agent's own price of an output token, in picodollars.",
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(10000000000)],
                    ),
                ),
                ("number", models.PositiveIntegerField(help_text="Counts from 1 within the agent.")),
                (
                    "skills",
                    models.JSONField(default=list, help_text="The enabled skills, in order: name and options of each."),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "agent",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
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
        migrations.AddField(
            model_name="agent",
            name="published_version",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="agents.agentversion",
            ),
        ),
        migrations.AddConstraint(
            model_name="agentversion",
            constraint=models.CheckConstraint(
                condition=models.Q(("markup_bps__lte", 100000)), name="agents_agentversion_markup_bounded"
            ),
        ),
        migrations.AddConstraint(
            model_name="agentversion",
            constraint=models.CheckConstraint(
                condition=models.Q(("on_disconnect__in", ["abort", "finish"])),
                name="agents_agentversion_on_disconnect_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="agentversion",
            constraint=models.UniqueConstraint(
                fields=("organization", "agent", "number"), name="agents_version_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="agentversion",
            constraint=models.UniqueConstraint(fields=("organization", "agent", "id"), name="agents_version_of_agent"),
        ),
        migrations.AddConstraint(
            model_name="agentversion",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="agents_version_organization_id"),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(("markup_bps__lte", 100000)), name="agents_agent_markup_bounded"
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(("on_disconnect__in", ["abort", "finish"])), name="agents_agent_on_disconnect_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.UniqueConstraint(fields=("organization", "slug"), name="agents_agent_slug_once"),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="agents_agent_organization_id"),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(("visibility__in", ["private", "public"])), name="agents_agent_visibility_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["active", "disabled"])), name="agents_agent_status_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(("slug__regex", "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")), name="agents_agent_slug_shape"
            ),
        ),
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
        migrations.RunSQL(REFERENCES, migrations.RunSQL.noop),
        migrations.RunSQL(FROZEN, "DROP FUNCTION agents_version_is_frozen() CASCADE"),
    ]
