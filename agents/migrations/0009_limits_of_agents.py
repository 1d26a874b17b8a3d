"""What is found of a public agent also tells the limits that hold for all its callers together."""

from django.db import migrations

ROWS = """
    RETURNS TABLE (
        agent_id uuid, organization_id uuid, organization_slug text, slug text, name text, description text,
        is_public boolean, version_id uuid, number integer, published_at timestamptz, model text, keeps_content boolean,
        price_per_run_nanos bigint, markup_bps integer, input_price_pico bigint, output_price_pico bigint,
        limits jsonb
    )
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
    BEGIN ATOMIC
    SELECT agent.id, agent.organization_id, organization.slug, agent.slug, agent.name, agent.description,
        agent.visibility = 'public', version.id, version.number, version.created_at, version.model,
        version.keeps_content, version.price_per_run_nanos, version.markup_bps, version.input_price_pico,
        version.output_price_pico,
        coalesce(
            (SELECT jsonb_agg(to_jsonb(rule) ORDER BY rule.id) FROM tenants_ratelimit rule
             WHERE rule.organization_id = agent.organization_id AND rule.kind = 'agent'
               AND rule.subject = agent.id::text),
            '[]')
    FROM tenants_organization organization
    JOIN agents_agent agent ON agent.organization_id = organization.id
    JOIN agents_agentversion version
        ON version.organization_id = agent.organization_id AND version.id = agent.published_version_id
    WHERE organization.status = 'active' AND agent.status = 'active'
"""

FUNCTIONS = f"""
DROP FUNCTION agents_published_at(text, text);
DROP FUNCTION agents_published_for(integer);
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
        ("agents", "0008_traces_of_runs"),
        ("tenants", "0006_rate_limits"),
    ]

    operations = [
        migrations.RunSQL(FUNCTIONS),
    ]
