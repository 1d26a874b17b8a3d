"""The look-up of keys tells their limits and the networks they are accepted from; keys say nothing of limits any more."""

import django.contrib.postgres.fields
from django.db import migrations, models

LOOKUP = """
DROP FUNCTION tenants_key_lookup(text);
CREATE FUNCTION tenants_key_lookup(wanted text)
    RETURNS TABLE (
        id uuid, digest bytea, pepper_version smallint, permissions text[], test_mode boolean, allowed_agents uuid[],
        allowed_networks text[], expires_at timestamptz, revoked_at timestamptz,
        organization_id uuid, organization_slug text, organization_status text,
        creator_id bigint, creator_is_active boolean, creator_is_staff boolean, creator_role text,
        limits jsonb
    )
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.id, k.digest, k.pepper_version, k.permissions::text[], k.test_mode, k.allowed_agents,
           k.allowed_networks::text[], k.expires_at, k.revoked_at,
           o.id, o.slug::text, o.status::text,
           u.id, u.is_active, u.is_staff, m.role::text,
           coalesce(
               (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.id) FROM public.tenants_ratelimit r
                WHERE r.organization_id = k.organization_id
                  AND (r.kind IN ('organization', 'end_user') OR (r.kind = 'key' AND r.subject = k.id::text))),
               '[]')
    FROM public.tenants_apikey k
    JOIN public.tenants_organization o ON o.id = k.organization_id
    LEFT JOIN public.tenants_user u ON u.id = k.created_by_id
    LEFT JOIN public.tenants_membership m ON m.organization_id = k.organization_id AND m.user_id = k.created_by_id
    WHERE k.public_id = wanted
$$;
GRANT SELECT ON tenants_ratelimit TO robutler_lookup;
ALTER FUNCTION tenants_key_lookup(text) OWNER TO robutler_lookup;
SET LOCAL ROLE robutler_lookup;
REVOKE ALL ON FUNCTION tenants_key_lookup(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_key_lookup(text) TO robutler_app, robutler_platform;
RESET ROLE;
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0007_limits_of_keys")]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="allowed_networks",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=43),
                blank=True,
                help_text="The only networks it is accepted from, such as 203.0.113.0/24; empty means every one.",
                null=True,
                size=None,
            ),
        ),
        migrations.RunSQL(LOOKUP),
        migrations.RemoveField(model_name="apikey", name="requests_per_minute"),
        migrations.RemoveField(model_name="apikey", name="max_parallel"),
    ]
