"""Seats in organizations, and the one look-up of them that crosses the wall."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

WALL = """
ALTER TABLE tenants_membership ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_membership FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants_membership TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON tenants_membership TO robutler_owner USING (true) WITH CHECK (true);
"""

LOOKUP = """
-- At sign-in the organization is not known yet, so a person's own seats are found across the wall.
CREATE FUNCTION tenants_memberships_of(wanted bigint)
    RETURNS TABLE (organization_id uuid, organization_slug text, organization_name text, organization_status text, role text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT o.id, o.slug::text, o.name::text, o.status::text, m.role::text
    FROM public.tenants_membership m JOIN public.tenants_organization o ON o.id = m.organization_id
    WHERE m.user_id = wanted
    ORDER BY o.name, o.id
$$;
-- A public address names an organization that is not the caller's.
CREATE FUNCTION tenants_organization_by_slug(wanted text)
    RETURNS TABLE (id uuid, slug text, name text, status text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT o.id, o.slug::text, o.name::text, o.status::text FROM public.tenants_organization o WHERE o.slug = wanted
$$;
GRANT SELECT ON tenants_membership, tenants_organization TO robutler_lookup;
ALTER FUNCTION tenants_memberships_of(bigint) OWNER TO robutler_lookup;
ALTER FUNCTION tenants_organization_by_slug(text) OWNER TO robutler_lookup;
SET LOCAL ROLE robutler_lookup;
REVOKE ALL ON FUNCTION tenants_memberships_of(bigint), tenants_organization_by_slug(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_memberships_of(bigint), tenants_organization_by_slug(text)
    TO robutler_app, robutler_platform;
RESET ROLE;
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_people_and_organizations")]

    operations = [
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("admin", "Admin"),
                            ("developer", "Developer"),
                            ("billing", "Billing"),
                            ("viewer", "Viewer"),
                        ],
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="membership_of_organization"),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(fields=("organization", "user"), name="membership_once"),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["owner", "admin", "developer", "billing", "viewer"])),
                name="membership_role_known",
            ),
        ),
        migrations.RunSQL(WALL, migrations.RunSQL.noop),
        migrations.RunSQL(LOOKUP, "DROP FUNCTION tenants_memberships_of(bigint), tenants_organization_by_slug(text)"),
    ]
