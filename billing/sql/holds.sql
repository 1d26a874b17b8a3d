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

-- Everybody takes holds first, leaves before what they were carved out of, then budget windows, then wallets, each in the
-- order of their keys, so nobody waits in a circle. Holds that are still to be opened are named by whom they are for: no
-- budget of theirs is set until that is done.
CREATE OR REPLACE FUNCTION billing_lock(
    hold_ids uuid[], organization_ids uuid[], parent_ids uuid[], key_ids uuid[], agent_ids uuid[], end_users text[],
    token_ids uuid[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    tree uuid[];
    wallets bigint[];
BEGIN
    PERFORM billing_refuse_strangers(hold_ids, organization_ids);
    PERFORM pg_advisory_xact_lock_shared(payer.key) FROM (
        SELECT DISTINCT hashtextextended('billing_budgets:' || u.id, 0) AS key FROM unnest(organization_ids) AS u (id)
        ORDER BY key
    ) payer;

    SELECT coalesce(array_agg(DISTINCT t.id), '{}') INTO tree FROM (
        SELECT unnest(h.ancestors || h.id) AS id FROM billing_hold h WHERE h.id = ANY (hold_ids)
        UNION ALL
        SELECT h.id FROM unnest(parent_ids, organization_ids) AS u (id, organization_id)
        JOIN billing_hold h ON h.id = u.id AND h.organization_id = u.organization_id
    ) t;
    PERFORM FROM billing_hold h WHERE h.id = ANY (tree) ORDER BY cardinality(h.ancestors) DESC, h.id FOR NO KEY UPDATE;
    PERFORM billing_lock_windows(tree, organization_ids, key_ids, agent_ids, end_users, token_ids);

    SELECT array_agg(DISTINCT w.id) INTO wallets FROM (
        SELECT h.account_id AS id FROM billing_hold h WHERE h.id = ANY (hold_ids)
        UNION
        SELECT a.id FROM billing_account a WHERE a.kind = 'wallet' AND a.organization_id = ANY (organization_ids)
    ) w;
    PERFORM FROM billing_account a WHERE a.id = ANY (wallets) ORDER BY a.id FOR NO KEY UPDATE;
END
$$;

-- Who gets what is asked for out of pots with so much room, in the order of items: each item draws the same amount from
-- each of its pots, all of it or nothing (with `partly`, as much as all of them have). What an item is given may be room
-- in a pot of its own, for items that come after. One element per item and pot.
CREATE OR REPLACE FUNCTION billing_allot(
    items integer[], amounts bigint[], pots text[], rooms bigint[], grows text[], partly boolean
) RETURNS TABLE (item integer, granted bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET enable_hashjoin = on AS $$
DECLARE
    asked record;
    pot integer;
    remaining bigint[];
BEGIN
    IF NOT EXISTS (
        SELECT FROM unnest(amounts, pots, rooms) AS u (amount, pot, room) GROUP BY u.pot HAVING sum(u.amount) > min(u.room)
    ) THEN
        RETURN QUERY SELECT DISTINCT u.item, u.amount FROM unnest(items, amounts) AS u (item, amount);
        RETURN;
    END IF;

    SELECT array_agg(p.room ORDER BY p.pot) INTO remaining
    FROM (SELECT u.pot, min(u.room) AS room FROM unnest(pots, rooms) AS u (pot, room) GROUP BY u.pot) p;
    FOR asked IN
        WITH numbered AS (
            SELECT p.pot, row_number() OVER (ORDER BY p.pot)::integer AS n
            FROM (SELECT DISTINCT u.pot FROM unnest(pots) AS u (pot)) p
        )
        SELECT u.item, u.amount, array_agg(numbered.n) AS drawn, min(own.n) AS grows
        FROM unnest(items, amounts, pots, billing_allot.grows) AS u (item, amount, pot, grows)
        JOIN numbered ON numbered.pot = u.pot
        LEFT JOIN numbered own ON own.pot = u.grows
        GROUP BY u.item, u.amount ORDER BY u.item
    LOOP
        item := asked.item;
        granted := asked.amount;
        FOREACH pot IN ARRAY asked.drawn LOOP
            granted := least(granted, greatest(remaining[pot], 0));
        END LOOP;
        CONTINUE WHEN granted < asked.amount AND NOT partly;
        FOREACH pot IN ARRAY asked.drawn LOOP
            remaining[pot] := remaining[pot] - granted;
        END LOOP;
        IF asked.grows IS NOT NULL THEN
            remaining[asked.grows] := remaining[asked.grows] + granted;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Holds that fit are taken in the order they arrived, so that exactly as many pass as the wallet, its budgets, or the
-- hold that they are carved out of can pay. An amount of 0 needs no hold and no wallet: only the charge is written.
-- A parent that is free work has no hold to carve out of: what comes of it is reserved as if it had no parent.
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
    first integer[];
    passed integer[];
    opened uuid[];
    draws record;
BEGIN
    PERFORM billing_lock('{}', organization_ids, parent_ids, key_ids, agent_ids, end_users, token_ids);

    -- What another item of the batch has named already opens nothing, so it uses up nothing either.
    SELECT array_agg(named.i) INTO first FROM (
        SELECT DISTINCT ON (once.organization_id, coalesce('key ' || once.idempotency_key, once.id::text) COLLATE "C")
            once.i::integer AS i
        FROM (
            SELECT DISTINCT ON (u.id) u.* FROM unnest(ids, organization_ids, idempotency_keys)
                WITH ORDINALITY AS u (id, organization_id, idempotency_key, i)
            ORDER BY u.id, u.i
        ) once
        ORDER BY once.organization_id, coalesce('key ' || once.idempotency_key, once.id::text) COLLATE "C", once.i
    ) named;

    WITH fresh AS (
        SELECT u.i::integer AS i, u.amount, a.id AS account_id, h.id AS inside,
            CASE WHEN h.id IS NULL THEN a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending
                ELSE h.amount - h.child_spent - h.child_reserved END AS room
        FROM unnest(ids, organization_ids, amounts, idempotency_keys, parent_ids, kinds, token_ids)
            WITH ORDINALITY AS u (id, organization_id, amount, idempotency_key, parent_id, kind, token_id, i)
        LEFT JOIN billing_account a ON a.kind = 'wallet' AND a.organization_id = u.organization_id
        LEFT JOIN billing_charge p ON p.id = u.parent_id AND p.organization_id = u.organization_id
        LEFT JOIN billing_hold h ON h.charge_id = p.id
        WHERE u.i = ANY (first)
            AND (u.amount = 0 OR a.status = 'open' OR h.id IS NOT NULL AND u.token_id IS NULL AND u.kind <> 'token')
            AND (u.parent_id IS NULL OR p.status = 'authorized' AND coalesce(cardinality(h.ancestors), 0) < 8)
            AND NOT EXISTS (SELECT FROM billing_charge c WHERE c.id = u.id)
            AND NOT EXISTS (
                SELECT FROM billing_charge c
                WHERE c.organization_id = u.organization_id AND c.idempotency_key = u.idempotency_key
            )
    ), drawn AS (
        SELECT f.i, f.amount, CASE WHEN f.amount <> 0 THEN coalesce(f.inside::text, f.account_id::text) END AS pot, f.room
        FROM fresh f
        UNION ALL
        SELECT f.i, f.amount, 'window ' || w.window_id, w.room
        FROM billing_windows_for(organization_ids, key_ids, agent_ids, end_users, token_ids) w
        JOIN fresh f ON f.i = w.item AND f.inside IS NULL AND f.amount <> 0
        WHERE w.room IS NOT NULL
    )
    SELECT array_agg(d.i) FILTER (WHERE d.pot IS NOT NULL) AS items,
        array_agg(d.amount) FILTER (WHERE d.pot IS NOT NULL) AS amounts,
        array_agg(d.pot) FILTER (WHERE d.pot IS NOT NULL) AS pots,
        array_agg(d.room) FILTER (WHERE d.pot IS NOT NULL) AS rooms,
        coalesce(array_agg(d.i) FILTER (WHERE d.pot IS NULL), '{}') AS free
    INTO draws FROM drawn d;
    passed := draws.free || ARRAY(
        SELECT g.item FROM billing_allot(draws.items, draws.amounts, draws.pots, draws.rooms, '{}', false) g
    );

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
        INSERT INTO billing_hold (id, organization_id, account_id, charge_id, parent_id, ancestors, amount, state,
            expires_at)
        SELECT w.id, w.organization_id, a.id, w.id, p.id,
            CASE WHEN p.id IS NULL THEN '{}' ELSE p.ancestors || p.id END, w.amount, 'open',
            now() + make_interval(secs => w.ttl)
        FROM wanted w
        JOIN charged c ON c.id = w.id
        JOIN billing_account a ON a.kind = 'wallet' AND a.organization_id = w.organization_id
        LEFT JOIN billing_hold p ON p.charge_id = w.parent_id
        WHERE w.amount <> 0
    )
    SELECT array_agg(c.id) INTO opened FROM charged c;
    PERFORM billing_bind_holds(opened, organization_ids);

    RETURN QUERY
    WITH answered AS (
        SELECT u.i::integer AS i, u.amount, a.id AS account_id, h.id AS inside,
            NOT coalesce(u.i = ANY (passed) AND u.id = ANY (opened), false) AS repeated,
            CASE
                WHEN c.id IS NOT NULL AND (c.organization_id <> u.organization_id OR c.run_id <> u.run_id
                    OR c.parent_id IS DISTINCT FROM u.parent_id OR coalesce(own.amount, 0) < u.amount) THEN 'conflict'
                WHEN c.id IS NOT NULL THEN 'held'
                WHEN other.id IS NOT NULL OR u.idempotency_key IS NOT NULL AND NOT u.i = ANY (first) THEN 'duplicate'
                WHEN a.id IS NULL THEN 'no_wallet'
                WHEN u.parent_id IS NOT NULL AND p.id IS NULL THEN 'no_parent'
                WHEN p.status <> 'authorized' THEN 'parent_closed'
                WHEN cardinality(h.ancestors) >= 8 THEN 'too_deep'
                WHEN a.status <> 'open' AND (h.id IS NULL OR u.token_id IS NOT NULL OR u.kind = 'token') THEN 'frozen'
                ELSE 'insufficient'
            END AS outcome
        FROM unnest(ids, organization_ids, run_ids, amounts, idempotency_keys, parent_ids, kinds, token_ids)
            WITH ORDINALITY AS u (id, organization_id, run_id, amount, idempotency_key, parent_id, kind, token_id, i)
        LEFT JOIN billing_charge c ON c.id = u.id
        LEFT JOIN billing_hold own ON own.charge_id = u.id
        LEFT JOIN billing_charge other
            ON other.organization_id = u.organization_id AND other.idempotency_key = u.idempotency_key
        LEFT JOIN billing_account a ON a.kind = 'wallet' AND a.organization_id = u.organization_id
        LEFT JOIN billing_charge p ON p.id = u.parent_id AND p.organization_id = u.organization_id
        LEFT JOIN billing_hold h ON h.charge_id = p.id
    )
    SELECT r.i, r.outcome, r.repeated, r.amount, coalesce(t.available, 0), coalesce(t.held, 0), t.limited_by,
        t.budget_id, t.budget_scope, t.budget_limit, t.budget_spent, t.resets_at
    FROM answered r
    -- OFFSET keeps the condition before the look: who was given what it asked for needs none.
    LEFT JOIN LATERAL (
        SELECT tight.* FROM billing_tightest(r.inside, r.account_id, ARRAY(
            SELECT w.window_id FROM billing_windows_for(organization_ids[r.i:r.i], key_ids[r.i:r.i],
                agent_ids[r.i:r.i], end_users[r.i:r.i], token_ids[r.i:r.i]) w
        )) tight
        WHERE r.outcome = 'insufficient' OFFSET 0
    ) t ON true
    ORDER BY r.i;
END
$$;

-- Grow open holds to new totals, in the order asked for, a child out of its parent; what does not fit is refused. A
-- payment token that is over has nothing left to grow by: its budget is gone, and so nothing else would keep its cap.
CREATE OR REPLACE FUNCTION billing_extend_many(ids uuid[], amounts bigint[])
RETURNS TABLE (
    item integer, outcome text, required bigint, available bigint, held bigint, limited_by text, budget_id uuid,
    budget_scope text, budget_limit bigint, budget_spent bigint, resets_at timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    draws record;
    passed uuid[];
BEGIN
    PERFORM billing_lock(ids, '{}', '{}', '{}', '{}', '{}', '{}');

    WITH growing AS (
        SELECT most.i::integer AS i, h.id, most.amount - h.amount AS growth, h.parent_id, h.account_id, c.token_id
        FROM (
            SELECT u.id, max(u.amount) AS amount, min(u.i) AS i
            FROM unnest(ids, amounts) WITH ORDINALITY AS u (id, amount, i)
            GROUP BY u.id
        ) most
        JOIN billing_hold h ON h.id = most.id AND h.state = 'open' AND h.amount < most.amount
        JOIN billing_charge c ON c.id = h.charge_id
        LEFT JOIN billing_paymenttoken t ON t.id = c.token_id
        WHERE t.id IS NULL OR billing_token_state(t) = 'active'
    ), drawn AS (
        SELECT g.i, g.id, g.growth, a.id::text AS pot,
            a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending AS room
        FROM growing g JOIN billing_account a ON a.id = g.account_id AND a.status = 'open'
        WHERE g.parent_id IS NULL
        UNION ALL
        SELECT g.i, g.id, g.growth, 'window ' || w.id, w."limit" - w.held - w.spent
        FROM growing g
        JOIN billing_account a ON a.id = g.account_id AND a.status = 'open'
        JOIN billing_holdbudget b ON b.hold_id = g.id
        JOIN billing_budgetwindow w ON w.id = b.window_id AND w.allowed IS NOT NULL
        UNION ALL
        SELECT g.i, g.id, g.growth, p.id::text, p.amount - p.child_spent - p.child_reserved
        FROM growing g
        JOIN billing_hold p ON p.id = g.parent_id AND p.state = 'open'
        JOIN billing_account a ON a.id = g.account_id AND (a.status = 'open' OR g.token_id IS NULL)
    )
    SELECT array_agg(d.i) AS items, array_agg(d.growth) AS amounts, array_agg(d.pot) AS pots,
        array_agg(d.room) AS rooms, array_agg(d.id::text) AS grows
    INTO draws FROM drawn d;
    passed := ARRAY(
        SELECT ids[g.item]
        FROM billing_allot(draws.items, draws.amounts, draws.pots, draws.rooms, draws.grows, false) g
    );

    UPDATE billing_hold h
    SET amount = most.amount
    FROM (SELECT u.id, max(u.amount) AS amount FROM unnest(ids, amounts) AS u (id, amount) GROUP BY u.id) most
    WHERE h.id = most.id AND h.id = ANY (passed);

    RETURN QUERY
    WITH answered AS (
        SELECT u.i::integer AS i, greatest(u.amount - h.amount, 0) AS required, h.parent_id, h.account_id, h.id,
            t.id IS NOT NULL AND billing_token_state(t) <> 'active' AS is_over,
            CASE
                WHEN h.id IS NULL THEN 'unknown'
                WHEN h.state <> 'open' THEN 'closed'
                WHEN h.amount >= u.amount THEN 'extended'
                WHEN a.status <> 'open' AND (h.parent_id IS NULL OR c.token_id IS NOT NULL) THEN 'frozen'
                ELSE 'insufficient'
            END AS outcome
        FROM unnest(ids, amounts) WITH ORDINALITY AS u (id, amount, i)
        LEFT JOIN billing_hold h ON h.id = u.id
        LEFT JOIN billing_account a ON a.id = h.account_id
        LEFT JOIN billing_charge c ON c.id = h.charge_id
        LEFT JOIN billing_paymenttoken t ON t.id = c.token_id
    )
    SELECT r.i, r.outcome, r.required, coalesce(t.available, 0), coalesce(t.held, 0),
        coalesce(t.limited_by, CASE WHEN r.is_over AND r.outcome = 'insufficient' THEN 'hold' END), t.budget_id,
        t.budget_scope, t.budget_limit, t.budget_spent, t.resets_at
    FROM answered r
    LEFT JOIN LATERAL (
        SELECT tight.* FROM billing_tightest(r.parent_id, r.account_id, ARRAY(
            SELECT b.window_id FROM billing_holdbudget b WHERE b.hold_id = r.id
        )) tight
        WHERE r.outcome = 'insufficient' AND NOT r.is_over OFFSET 0
    ) t ON true
    ORDER BY r.i;
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
    PERFORM FROM billing_hold h WHERE h.id = ANY (ids) ORDER BY cardinality(h.ancestors) DESC, h.id FOR NO KEY UPDATE;

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
    PERFORM billing_lock(ids, '{}', '{}', '{}', '{}', '{}', '{}');

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
