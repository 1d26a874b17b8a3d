-- Whom a locked row keeps waiting: asked when a group could not get its locks, so that the others need not wait with it.

-- Of these holds and organizations, those whose rows somebody else has locked at this moment.
CREATE OR REPLACE FUNCTION billing_busy(hold_ids uuid[], organization_ids uuid[]) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    free_holds uuid[];
    free_wallets bigint[];
BEGIN
    PERFORM billing_refuse_strangers(hold_ids, organization_ids);

    SELECT array_agg(free.id) INTO free_holds FROM (
        SELECT h.id FROM billing_hold h WHERE h.id = ANY (hold_ids) ORDER BY h.id FOR NO KEY UPDATE SKIP LOCKED
    ) free;
    SELECT array_agg(free.id) INTO free_wallets FROM (
        SELECT a.id FROM billing_account a
        WHERE a.id IN (
            SELECT h.account_id FROM billing_hold h WHERE h.id = ANY (hold_ids)
            UNION
            SELECT w.id FROM billing_account w WHERE w.kind = 'wallet' AND w.organization_id = ANY (organization_ids)
        )
        ORDER BY a.id FOR NO KEY UPDATE SKIP LOCKED
    ) free;

    RETURN QUERY
    SELECT h.id FROM billing_hold h
    WHERE h.id = ANY (hold_ids)
        AND NOT (h.id = ANY (coalesce(free_holds, '{}')) AND h.account_id = ANY (coalesce(free_wallets, '{}')))
    UNION ALL
    SELECT a.organization_id FROM billing_account a
    WHERE a.kind = 'wallet' AND a.organization_id = ANY (organization_ids)
        AND NOT a.id = ANY (coalesce(free_wallets, '{}'));
END
$$;
