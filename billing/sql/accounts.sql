-- Opening accounts and bringing money in.

CREATE OR REPLACE FUNCTION billing_open_accounts(organization uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO billing_account (code, kind, normal, organization_id, enforced) VALUES
        ('organization:' || organization || ':wallet', 'wallet', 'C', organization, true),
        ('organization:' || organization || ':creator_earnings', 'creator_earnings', 'C', organization, false)
    ON CONFLICT DO NOTHING;
$$;

-- Once per id: asked for again it answers the same, asked for differently it says so.
CREATE OR REPLACE FUNCTION billing_top_up(id uuid, organization uuid, amount bigint, reference text, actor text)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wallet billing_account;
    moved bigint;
BEGIN
    SELECT a.* INTO wallet FROM billing_account a
    WHERE a.kind = 'wallet' AND a.organization_id = organization FOR NO KEY UPDATE;
    IF wallet.id IS NULL THEN
        RETURN 'no_wallet';
    ELSIF wallet.status = 'closed' THEN
        RETURN 'closed';
    END IF;

    INSERT INTO billing_transfergroup AS g (key, kind, organization_id, actor, memo)
    VALUES ('top_up:' || billing_top_up.id, 'top_up', organization, billing_top_up.actor, billing_top_up.reference)
    ON CONFLICT DO NOTHING RETURNING g.id INTO moved;
    IF moved IS NULL THEN
        RETURN CASE WHEN EXISTS (
            SELECT FROM billing_topup t
            WHERE t.id = billing_top_up.id AND t.organization_id = organization AND t.amount = billing_top_up.amount
        ) THEN 'credited' ELSE 'conflict' END;
    END IF;

    INSERT INTO billing_transfer (group_id, line, debit_id, credit_id, credit_organization_id, amount)
    VALUES (moved, 1, billing_platform_account('external_clearing'), wallet.id, organization, billing_top_up.amount);
    INSERT INTO billing_topup (id, organization_id, amount, reference, actor, group_id)
    VALUES (billing_top_up.id, organization, billing_top_up.amount, billing_top_up.reference, billing_top_up.actor,
        moved);
    RETURN 'credited';
END
$$;
