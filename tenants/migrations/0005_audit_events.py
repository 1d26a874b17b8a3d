"""What was done, by whom; the database refuses to change it."""

import django.db.models.deletion
from django.db import migrations, models

WALL = """
ALTER TABLE tenants_auditevent ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_auditevent FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants_auditevent TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON tenants_auditevent TO robutler_owner USING (true) WITH CHECK (true);
REVOKE UPDATE, DELETE, TRUNCATE ON tenants_auditevent FROM robutler_app, robutler_platform;
"""

APPEND_ONLY = """
CREATE FUNCTION tenants_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON tenants_auditevent
    FOR EACH ROW EXECUTE FUNCTION tenants_append_only();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON tenants_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION tenants_append_only();
"""

REVERSE = """
DROP TRIGGER append_only ON tenants_auditevent;
DROP TRIGGER append_only_all ON tenants_auditevent;
DROP FUNCTION tenants_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_sealed_credentials")]

    operations = [
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                (
                    "action",
                    models.CharField(help_text="A noun and a verb in the past, such as key.revoked.", max_length=100),
                ),
                ("object_type", models.CharField(blank=True, max_length=100)),
                ("object_id", models.CharField(blank=True, max_length=100)),
                ("object_label", models.CharField(blank=True, max_length=200)),
                ("actor_user_id", models.BigIntegerField(blank=True, null=True)),
                ("actor_key_id", models.UUIDField(blank=True, null=True)),
                ("actor_label", models.CharField(blank=True, max_length=254)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                (
                    "reason",
                    models.CharField(
                        blank=True, help_text="Why it was done as the platform, if it was.", max_length=500
                    ),
                ),
                ("detail", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
                "indexes": [models.Index(fields=["organization", "-created_at"], name="auditevent_by_time")],
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "id"), name="auditevent_of_organization")
                ],
            },
        ),
        migrations.RunSQL(WALL, migrations.RunSQL.noop),
        migrations.RunSQL(APPEND_ONLY, REVERSE),
    ]
