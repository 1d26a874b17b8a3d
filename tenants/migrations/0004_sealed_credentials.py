"""Credentials for providers, sealed with a key of each organization."""

import django.db.models.deletion
from django.db import migrations, models

WALLS = """
ALTER TABLE tenants_datakey ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_datakey FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants_datakey TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON tenants_datakey TO robutler_owner USING (true) WITH CHECK (true);
ALTER TABLE tenants_providercredential ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_providercredential FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants_providercredential TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON tenants_providercredential TO robutler_owner USING (true) WITH CHECK (true);
ALTER TABLE tenants_providercredential ADD CONSTRAINT providercredential_data_key
    FOREIGN KEY (organization_id, data_key_id) REFERENCES tenants_datakey (organization_id, id)
    DEFERRABLE INITIALLY DEFERRED;
-- The pair above says nothing when there is no organization.
ALTER TABLE tenants_providercredential ADD CONSTRAINT providercredential_data_key_exists
    FOREIGN KEY (data_key_id) REFERENCES tenants_datakey (id) DEFERRABLE INITIALLY DEFERRED;
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_api_keys")]

    operations = [
        migrations.CreateModel(
            name="DataKey",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("wrapped", models.BinaryField()),
                (
                    "wrapped_by",
                    models.CharField(editable=False, help_text="Fingerprint of the key-encryption key.", max_length=16),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "retired_at",
                    models.DateTimeField(blank=True, help_text="Opens what it sealed, seals nothing new.", null=True),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
            ],
            options={
                "base_manager_name": "objects",
            },
        ),
        migrations.AddConstraint(
            model_name="datakey",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="datakey_of_organization"),
        ),
        migrations.AddConstraint(
            model_name="datakey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("retired_at", None)),
                fields=("organization",),
                name="datakey_one_in_use",
                nulls_distinct=False,
            ),
        ),
        migrations.CreateModel(
            name="ProviderCredential",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                (
                    "provider",
                    models.CharField(
                        help_text="As in a model's name before the slash: openai, anthropic.", max_length=64
                    ),
                ),
                (
                    "label",
                    models.CharField(
                        default="default", help_text="Tells several of one provider apart.", max_length=100
                    ),
                ),
                (
                    "base_url",
                    models.CharField(
                        blank=True, help_text="Where the provider is, if not at its own place.", max_length=500
                    ),
                ),
                ("sealed", models.BinaryField()),
                ("last_four", models.CharField(blank=True, editable=False, max_length=4)),
                (
                    "unpriced_allowed",
                    models.BooleanField(
                        default=False,
                        help_text="Agents with a price of their own may use models without one. Staff only.",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "data_key",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.datakey",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
            ],
            options={
                "base_manager_name": "objects",
            },
        ),
        migrations.AddConstraint(
            model_name="providercredential",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="providercredential_of_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="providercredential",
            constraint=models.UniqueConstraint(
                fields=("organization", "provider", "label"), name="providercredential_label", nulls_distinct=False
            ),
        ),
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
    ]
