"""API keys, and the one look-up of them that crosses the wall."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

WALL = """
ALTER TABLE tenants_apikey ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_apikey FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants_apikey TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON tenants_apikey TO robutler_owner USING (true) WITH CHECK (true);
REVOKE DELETE ON tenants_apikey FROM robutler_app, robutler_platform;
"""

LOOKUP = """
-- Before a key is recognised nobody knows whose it is. One row at most, for an id that has to be known.
CREATE FUNCTION tenants_key_lookup(wanted text)
    RETURNS TABLE (
        id uuid, digest bytea, pepper_version smallint, permissions text[], test_mode boolean, allowed_agents uuid[],
        requests_per_minute integer, max_parallel integer, expires_at timestamptz, revoked_at timestamptz,
        organization_id uuid, organization_slug text, organization_status text,
        creator_id bigint, creator_is_active boolean, creator_is_staff boolean, creator_role text
    )
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.id, k.digest, k.pepper_version, k.permissions::text[], k.test_mode, k.allowed_agents,
           k.requests_per_minute, k.max_parallel, k.expires_at, k.revoked_at,
           o.id, o.slug::text, o.status::text,
           u.id, u.is_active, u.is_staff, m.role::text
    FROM public.tenants_apikey k
    JOIN public.tenants_organization o ON o.id = k.organization_id
    LEFT JOIN public.tenants_user u ON u.id = k.created_by_id
    LEFT JOIN public.tenants_membership m ON m.organization_id = k.organization_id AND m.user_id = k.created_by_id
    WHERE k.public_id = wanted
$$;
GRANT SELECT ON tenants_apikey TO robutler_lookup;
GRANT SELECT (id, is_active, is_staff) ON tenants_user TO robutler_lookup;
ALTER FUNCTION tenants_key_lookup(text) OWNER TO robutler_lookup;
SET LOCAL ROLE robutler_lookup;
REVOKE ALL ON FUNCTION tenants_key_lookup(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_key_lookup(text) TO robutler_app, robutler_platform;
RESET ROLE;
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_memberships")]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("public_id", models.CharField(editable=False, max_length=12, unique=True)),
                ("digest", models.BinaryField(max_length=32)),
                ("pepper_version", models.PositiveSmallIntegerField(editable=False)),
                ("last_four", models.CharField(editable=False, max_length=4)),
                (
                    "permissions",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), size=None),
                ),
                (
                    "test_mode",
                    models.BooleanField(
                        default=False, help_text="Reaches only scripted models and is charged nothing."
                    ),
                ),
                (
                    "allowed_agents",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(),
                        blank=True,
                        help_text="The only agents it reaches; empty means every one.",
                        null=True,
                        size=None,
                    ),
                ),
                ("requests_per_minute", models.PositiveIntegerField(blank=True, null=True)),
                ("max_parallel", models.PositiveIntegerField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
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
                "verbose_name": "API key",
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "id"), name="apikey_of_organization"),
                    models.CheckConstraint(
                        condition=models.Q(("pepper_version__gte", 1)), name="apikey_pepper_version"
                    ),
                ],
            },
        ),
        migrations.RunSQL(WALL, migrations.RunSQL.noop),
        migrations.RunSQL(LOOKUP, "DROP FUNCTION tenants_key_lookup(text)"),
    ]
