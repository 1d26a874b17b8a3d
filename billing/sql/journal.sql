-- Posting: how every other function writes money down. Nobody but those functions may call what stands here.

-- One group and its lines, once per key; answers the group's id, nothing when the key was posted before. Lines of 0 are
-- left out, and a group of none is refused. The caller has locked the accounts that it looked at, in the order of ids.
CREATE OR REPLACE FUNCTION billing_post(
    key text, kind text, organization uuid, actor text, memo text, reverses bigint,
    debit_ids bigint[], credit_ids bigint[], amounts bigint[]
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    posted bigint;
    lines bigint;
BEGIN
    INSERT INTO billing_transfergroup AS g (key, kind, organization_id, actor, memo, reverses_id)
    VALUES (billing_post.key, billing_post.kind, organization, billing_post.actor, billing_post.memo,
        billing_post.reverses)
    ON CONFLICT ON CONSTRAINT billing_transfergroup_key_key DO NOTHING
    RETURNING g.id INTO posted;
    IF posted IS NULL THEN
        RETURN NULL;
    END IF;

    INSERT INTO billing_transfer (group_id, line, debit_id, credit_id, debit_organization_id, credit_organization_id,
        amount)
    SELECT posted, row_number() OVER (ORDER BY u.i), u.debit_id, u.credit_id, d.organization_id, c.organization_id,
        u.amount
    FROM unnest(debit_ids, credit_ids, amounts) WITH ORDINALITY AS u (debit_id, credit_id, amount, i)
    JOIN billing_account d ON d.id = u.debit_id
    JOIN billing_account c ON c.id = u.credit_id
    WHERE u.amount <> 0;
    GET DIAGNOSTICS lines = ROW_COUNT;
    IF lines = 0 OR lines <> (SELECT count(*) FROM unnest(amounts) a (amount) WHERE a.amount <> 0) THEN
        RAISE EXCEPTION 'the group % moves nothing, or names an account that does not exist', key
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN posted;
END
$$;

-- An organization's account of a kind; made if there is none yet.
CREATE OR REPLACE FUNCTION billing_account_of(organization uuid, kind text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found bigint;
BEGIN
    SELECT a.id INTO found FROM billing_account a
    WHERE a.organization_id = organization AND a.kind = billing_account_of.kind;
    IF found IS NULL THEN
        INSERT INTO billing_account (code, kind, normal, organization_id, enforced)
        VALUES ('organization:' || organization || ':' || billing_account_of.kind, billing_account_of.kind,
            CASE billing_account_of.kind WHEN 'creator_clawback' THEN 'D' ELSE 'C' END, organization,
            billing_account_of.kind = 'wallet')
        ON CONFLICT DO NOTHING;
        SELECT a.id INTO found FROM billing_account a
        WHERE a.organization_id = organization AND a.kind = billing_account_of.kind;
    END IF;
    RETURN found;
END
$$;

-- What an account holds: positive on its normal side. Summed from its transfers, whatever kind of account it is.
CREATE OR REPLACE FUNCTION billing_balance(account bigint) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE a.normal WHEN 'C' THEN 1 ELSE -1 END * (
        coalesce((SELECT sum(t.amount) FROM billing_transfer t WHERE t.credit_id = a.id), 0)
        - coalesce((SELECT sum(t.amount) FROM billing_transfer t WHERE t.debit_id = a.id), 0)
    )::bigint
    FROM billing_account a WHERE a.id = account;
$$;
