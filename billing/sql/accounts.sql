-- Opening accounts.

CREATE OR REPLACE FUNCTION billing_open_accounts(organization uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO billing_account (code, kind, normal, organization_id, enforced) VALUES
        ('organization:' || organization || ':wallet', 'wallet', 'C', organization, true),
        ('organization:' || organization || ':creator_earnings', 'creator_earnings', 'C', organization, false)
    ON CONFLICT DO NOTHING;
$$;
