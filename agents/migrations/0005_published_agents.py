"""How callers of other organizations find a public agent: functions that show its address and price, never its inside."""

from django.db import migrations

ROWS = """
    RETURNS TABLE (
        agent_id uuid, organization_id uuid, organization_slug text, slug text, name text, description text,
        is_public boolean, version_id uuid, number integer, published_at timestamptz, model text, keeps_content boolean,
        price_per_run_nanos bigint, markup_bps integer, input_price_pico bigint, output_price_pico bigint
    )
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
    BEGIN ATOMIC
    SELECT agent.id, agent.organization_id, organization.slug, agent.slug, agent.name, agent.description,
        agent.visibility = 'public', version.id, version.number, version.created_at, version.model,
        version.keeps_content, version.price_per_run_nanos, version.markup_bps, version.input_price_pico,
        version.output_price_pico
    FROM tenants_organization organization
    JOIN agents_agent agent ON agent.organization_id = organization.id
    JOIN agents_agentversion version
        ON version.organization_id = agent.organization_id AND version.id = agent.published_version_id
    WHERE organization.status = 'active' AND agent.status = 'active'
"""

FUNCTIONS = f"""
CREATE FUNCTION agents_published_at(wanted_organization text, wanted_agent text) {ROWS}
        AND organization.slug = wanted_organization AND agent.slug = wanted_agent
        AND (agent.visibility = 'public' OR agent.organization_id = robutler_organization());
    END;
CREATE FUNCTION agents_published_for(wanted integer) {ROWS}
        AND (agent.visibility = 'public' OR agent.organization_id = robutler_organization())
    ORDER BY agent.organization_id = robutler_organization() DESC NULLS LAST, organization.slug, agent.slug
    LIMIT wanted;
    END;
REVOKE ALL ON FUNCTION agents_published_at(text, text), agents_published_for(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agents_published_at(text, text), agents_published_for(integer)
    TO robutler_app, robutler_platform;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0004_stored_items"),
        ("tenants", "0001_people_and_organizations"),
    ]

    operations = [
        migrations.RunSQL(
            FUNCTIONS, "DROP FUNCTION agents_published_at(text, text); DROP FUNCTION agents_published_for(integer);"
        ),
    ]
