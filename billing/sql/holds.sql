-- Reserving money: many holds, extensions, checkpoints and releases in one call each.
-- A refusal is an answer, not an exception: one caller's empty wallet must not abort the batch of the others.
-- Every row is found by its key. A plan made while the tables were small would read them whole for as long as the session
-- lives, so plans that read whole tables are switched off.

-- A session that serves one organization moves no money of another. The ledger's own connection serves none: it is told
-- whose money moves by code that has asked for it already.
CREATE OR REPLACE FUNCTION billing_refuse_strangers(hold_ids uuid[], organization_ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    served uuid := robutler_organization();
BEGIN
    IF served IS NOT NULL AND (
        EXISTS (SELECT FROM unnest(organization_ids) u (id) WHERE u.id <> served)
        OR EXISTS (SELECT FROM billing_charge c WHERE c.id = ANY (hold_ids) AND c.organization_id <> served)
    ) THEN
        RAISE EXCEPTION 'this session serves the organization % and moves no money of others', served
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

-- Everybody takes holds first, then wallets, each in the order of their keys, so nobody waits in a circle.
CREATE OR REPLACE FUNCTION billing_lock(hold_ids uuid[], organization_ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    wallets bigint[];
BEGIN
    PERFORM billing_refuse_strangers(hold_ids, organization_ids);
    PERFORM FROM billing_hold h WHERE h.id = ANY (hold_ids) ORDER BY h.id FOR NO KEY UPDATE;

    SELECT array_agg(DISTINCT w.id) INTO wallets FROM (
        SELECT h.account_id AS id FROM billing_hold h WHERE h.id = ANY (hold_ids)
        UNION
        SELECT a.id FROM billing_account a WHERE a.kind = 'wallet' AND a.organization_id = ANY (organization_ids)
    ) w;
    PERFORM FROM billing_account a WHERE a.id = ANY (wallets) ORDER BY a.id FOR NO KEY UPDATE;
END
$$;

-- Holds that fit are taken in the order they arrived, so that exactly as many pass as the wallet can pay.
-- An amount of 0 needs no hold and no wallet: only the charge is written.
CREATE OR REPLACE FUNCTION billing_hold_many(
    ids uuid[], organization_ids uuid[], run_ids uuid[], amounts bigint[], kinds text[], refs text[],
    parent_ids uuid[], agent_ids uuid[], beneficiary_ids uuid[], price_version_ids bigint[],
    platform_credentials boolean[], idempotency_keys text[], ttls integer[], key_ids uuid[], end_users text[],
    token_ids uuid[]
) RETURNS TABLE (
    item integer, outcome text, repeated boolean, required bigint, available bigint, held bigint, limited_by text,
    budget_id uuid, budget_scope text, budget_limit bigint, budget_spent bigint, resets_at timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    asked record;
    wallet bigint;
    remaining bigint := 0;
    passed integer[] := '{}';
    named text[] := '{}';
    opened uuid[];
BEGIN
    PERFORM billing_lock('{}', organization_ids);

    FOR asked IN
        SELECT first.i, first.amount, first.organization_id || ' ' || first.idempotency_key AS name, a.id AS account_id,
            a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending AS available
        FROM (
            SELECT DISTINCT ON (u.id) u.id, u.organization_id, u.amount, u.idempotency_key, u.i
            FROM unnest(ids, organization_ids, amounts, idempotency_keys)
                WITH ORDINALITY AS u (id, organization_id, amount, idempotency_key, i)
            ORDER BY u.id, u.i
        ) first
        LEFT JOIN billing_account a ON a.kind = 'wallet' AND a.organization_id = first.organization_id
        WHERE (first.amount = 0 OR a.status = 'open')
            AND NOT EXISTS (SELECT FROM billing_charge c WHERE c.id = first.id)
            AND NOT EXISTS (
                SELECT FROM billing_charge c
                WHERE c.organization_id = first.organization_id AND c.idempotency_key = first.idempotency_key
            )
        ORDER BY a.id, first.i
    LOOP
        IF asked.account_id IS DISTINCT FROM wallet THEN
            wallet := asked.account_id;
            remaining := asked.available;
        END IF;
        -- What another item of the batch has named already opens nothing, so it uses up nothing either.
        IF asked.name = ANY (named) THEN
            CONTINUE;
        ELSIF asked.amount = 0 OR asked.amount <= remaining THEN
            remaining := remaining - asked.amount;
            passed := passed || asked.i::integer;
            named := named || coalesce(asked.name, '');
        END IF;
    END LOOP;

    WITH wanted AS (
        SELECT u.*
        FROM unnest(ids, organization_ids, run_ids, amounts, kinds, refs, parent_ids, agent_ids, beneficiary_ids,
            price_version_ids, platform_credentials, idempotency_keys, ttls, key_ids, end_users, token_ids)
            WITH ORDINALITY AS u (id, organization_id, run_id, amount, kind, reference, parent_id, agent_id,
                beneficiary_id, price_version_id, platform_credential, idempotency_key, ttl, key_id, end_user,
                token_id, i)
        WHERE u.i = ANY (passed)
    ), charged AS (
        INSERT INTO billing_charge AS c (id, organization_id, run_id, kind, status, reference, parent_id, agent_id,
            beneficiary_id, price_version_id, platform_credential, idempotency_key, key_id, end_user, token_id)
        SELECT w.id, w.organization_id, w.run_id, w.kind, 'authorized', w.reference, w.parent_id, w.agent_id,
            w.beneficiary_id, w.price_version_id, w.platform_credential, w.idempotency_key, w.key_id, w.end_user,
            w.token_id
        FROM wanted w
        ORDER BY w.id
        ON CONFLICT DO NOTHING
        RETURNING c.id
    ), reserved AS (
        INSERT INTO billing_hold (id, organization_id, account_id, charge_id, amount, state, expires_at)
        SELECT w.id, w.organization_id, a.id, w.id, w.amount, 'open', now() + make_interval(secs => w.ttl)
        FROM wanted w
        JOIN charged c ON c.id = w.id
        JOIN billing_account a ON a.kind = 'wallet' AND a.organization_id = w.organization_id
        WHERE w.amount <> 0
    )
    SELECT array_agg(c.id) INTO opened FROM charged c;

    RETURN QUERY
    SELECT u.i::integer,
        CASE
            WHEN c.id IS NOT NULL AND (c.organization_id <> u.organization_id OR c.run_id <> u.run_id
                OR coalesce(h.amount, 0) < u.amount) THEN 'conflict'
            WHEN c.id IS NOT NULL THEN 'held'
            WHEN other.id IS NOT NULL THEN 'duplicate'
            WHEN a.id IS NULL THEN 'no_wallet'
            WHEN a.status <> 'open' THEN 'frozen'
            ELSE 'insufficient'
        END,
        NOT coalesce(u.i = ANY (passed) AND u.id = ANY (opened), false),
        u.amount,
        coalesce(a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending, 0),
        coalesce(a.debits_pending, 0),
        'wallet', NULL::uuid, NULL, NULL::bigint, NULL::bigint, NULL::timestamptz
    FROM unnest(ids, organization_ids, run_ids, amounts, idempotency_keys)
        WITH ORDINALITY AS u (id, organization_id, run_id, amount, idempotency_key, i)
    LEFT JOIN billing_charge c ON c.id = u.id
    LEFT JOIN billing_hold h ON h.charge_id = u.id
    LEFT JOIN billing_charge other
        ON other.organization_id = u.organization_id AND other.idempotency_key = u.idempotency_key
    LEFT JOIN billing_account a ON a.kind = 'wallet' AND a.organization_id = u.organization_id
    ORDER BY u.i;
END
$$;

-- Grow open holds to new totals, in the order asked for; the part a wallet cannot pay is refused.
CREATE OR REPLACE FUNCTION billing_extend_many(ids uuid[], amounts bigint[])
RETURNS TABLE (
    item integer, outcome text, required bigint, available bigint, held bigint, limited_by text, budget_id uuid,
    budget_scope text, budget_limit bigint, budget_spent bigint, resets_at timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    asked record;
    wallet bigint;
    remaining bigint := 0;
    passed uuid[] := '{}';
BEGIN
    PERFORM billing_lock(ids, '{}');

    FOR asked IN
        SELECT h.id, a.id AS account_id, most.amount - h.amount AS growth,
            a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending AS available
        FROM (
            SELECT u.id, max(u.amount) AS amount, min(u.i) AS i
            FROM unnest(ids, amounts) WITH ORDINALITY AS u (id, amount, i)
            GROUP BY u.id
        ) most
        JOIN billing_hold h ON h.id = most.id AND h.state = 'open' AND h.amount < most.amount
        JOIN billing_account a ON a.id = h.account_id AND a.status = 'open'
        ORDER BY a.id, most.i
    LOOP
        IF asked.account_id IS DISTINCT FROM wallet THEN
            wallet := asked.account_id;
            remaining := asked.available;
        END IF;
        IF asked.growth <= remaining THEN
            remaining := remaining - asked.growth;
            passed := passed || asked.id;
        END IF;
    END LOOP;

    UPDATE billing_hold h
    SET amount = most.amount
    FROM (SELECT u.id, max(u.amount) AS amount FROM unnest(ids, amounts) AS u (id, amount) GROUP BY u.id) most
    WHERE h.id = most.id AND h.id = ANY (passed);

    RETURN QUERY
    SELECT u.i::integer,
        CASE
            WHEN h.id IS NULL THEN 'unknown'
            WHEN h.state <> 'open' THEN 'closed'
            WHEN h.amount >= u.amount THEN 'extended'
            WHEN a.status <> 'open' THEN 'frozen'
            ELSE 'insufficient'
        END,
        greatest(u.amount - h.amount, 0),
        coalesce(a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending, 0),
        coalesce(a.debits_pending, 0),
        'wallet', NULL::uuid, NULL, NULL::bigint, NULL::bigint, NULL::timestamptz
    FROM unnest(ids, amounts) WITH ORDINALITY AS u (id, amount, i)
    LEFT JOIN billing_hold h ON h.id = u.id
    LEFT JOIN billing_account a ON a.id = h.account_id
    ORDER BY u.i;
END
$$;

-- Write down what open holds have spent so far and move their expiry: the heartbeat of every stream of a process.
-- What was spent never shrinks; what comes after the end of a hold is ignored.
CREATE OR REPLACE FUNCTION billing_checkpoint_many(
    ids uuid[], costs bigint[], markups bigint[], fees bigint[], ttls integer[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM billing_refuse_strangers(ids, '{}');
    PERFORM FROM billing_hold h WHERE h.id = ANY (ids) ORDER BY h.id FOR NO KEY UPDATE;

    UPDATE billing_hold h
    SET accrued_cost = greatest(h.accrued_cost, most.cost),
        accrued_markup = greatest(h.accrued_markup, most.markup),
        accrued_fee = greatest(h.accrued_fee, most.fee),
        expires_at = greatest(h.expires_at, now() + make_interval(secs => most.ttl))
    FROM (
        SELECT u.id, max(u.cost) AS cost, max(u.markup) AS markup, max(u.fee) AS fee, max(u.ttl) AS ttl
        FROM unnest(ids, costs, markups, fees, ttls) AS u (id, cost, markup, fee, ttl)
        GROUP BY u.id
    ) most
    WHERE h.id = most.id AND h.state = 'open';
END
$$;

-- Give back what was reserved: nobody owes anything.
CREATE OR REPLACE FUNCTION billing_release_many(ids uuid[], statuses text[])
RETURNS TABLE (item integer, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM billing_lock(ids, '{}');

    UPDATE billing_hold h SET state = 'released', closed_at = clock_timestamp()
    WHERE h.id = ANY (ids) AND h.state = 'open';

    UPDATE billing_charge c SET status = ended.status, finished_at = clock_timestamp()
    FROM (
        SELECT DISTINCT ON (u.id) u.id, u.status
        FROM unnest(ids, statuses) WITH ORDINALITY AS u (id, status, i) ORDER BY u.id, u.i
    ) ended
    WHERE c.id = ended.id AND c.status = 'authorized';

    RETURN QUERY
    SELECT u.i::integer, CASE
        WHEN c.id IS NULL THEN 'unknown'
        WHEN h.state IN ('settled', 'late') THEN 'closed'
        ELSE 'released'
    END
    FROM unnest(ids) WITH ORDINALITY AS u (id, i)
    LEFT JOIN billing_charge c ON c.id = u.id
    LEFT JOIN billing_hold h ON h.charge_id = u.id
    ORDER BY u.i;
END
$$;
