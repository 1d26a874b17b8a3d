-- Ending holds: what the work cost moves from the payer's wallet, once; and what nobody ended is swept.

-- Who pays what:
--   the platform's credential: the payer owes cost + markup + fee; the platform gets cost and fee (it owes the provider
--     the cost), the creator the markup;
--   the creator's own credential, a foreign payer: the creator gets cost + markup, the platform the fee;
--   the creator's own credential, the creator pays: the fee only.
-- All of that is paid out of what the hold reserved, the cost first, then the platform's fee, then the creator's share.
-- Beyond it the wallet pays, with what it has left at that instant, for the platform's own cost and for nothing else:
-- whoever made a run dearer than was agreed earns nothing by it. The cost that is then still unpaid is the platform's
-- loss. A hold that expired keeps nothing aside any more: its late settlement is bounded by it in the same way, and lives
-- off what the wallet has left. What children of a hold have reserved or spent of it is not there for itself. What is paid
-- beyond a hold counts in its budgets as well, and only as far as they have room.
CREATE OR REPLACE FUNCTION billing_settle_many(
    ids uuid[], costs bigint[], markups bigint[], fees bigint[], platform_credentials boolean[],
    sources text[], statuses text[], finish_reasons text[], lines jsonb[]
) RETURNS TABLE (item integer, outcome text, charged bigint, loss bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    settled uuid[];
    ended uuid[];
BEGIN
    PERFORM billing_lock(ids, '{}', '{}', '{}', '{}', '{}', '{}');

    WITH asked AS (
        SELECT DISTINCT ON (u.id) u.id, u.cost, u.markup, u.fee, u.platform_credential, u.source, u.i::integer AS i
        FROM unnest(ids, costs, markups, fees, platform_credentials, sources)
            WITH ORDINALITY AS u (id, cost, markup, fee, platform_credential, source, i)
        ORDER BY u.id, u.i
    ), due AS (
        SELECT asked.*, h.organization_id, c.beneficiary_id, h.account_id, h.state = 'expired' AS late,
            CASE h.state WHEN 'open' THEN h.amount - h.child_spent - h.child_reserved ELSE 0 END AS reserved,
            CASE
                WHEN c.beneficiary_id IS NULL THEN 0
                WHEN asked.platform_credential THEN asked.markup
                WHEN c.beneficiary_id = h.organization_id THEN 0
                ELSE asked.cost + asked.markup
            END AS creator_due,
            asked.fee + CASE
                WHEN NOT asked.platform_credential THEN 0
                WHEN c.beneficiary_id IS NULL THEN asked.cost + asked.markup
                ELSE asked.cost
            END AS platform_due,
            CASE WHEN asked.platform_credential THEN asked.cost ELSE 0 END AS own_cost,
            h.amount - h.child_spent - h.child_reserved AS agreed, coalesce(h.ancestors[1], h.id) AS root_id,
            a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending AS available,
            c.token_id IS NOT NULL AND h.parent_id IS NOT NULL AS is_of_token
        FROM asked
        JOIN billing_hold h ON h.id = asked.id AND h.state IN ('open', 'expired')
        JOIN billing_charge c ON c.id = h.charge_id
        JOIN billing_account a ON a.id = h.account_id
    ), payable AS (
        SELECT due.*, greatest(own_cost, least(creator_due + platform_due, agreed)) AS price FROM due
    ), beyond AS (
        SELECT payable.*, greatest(price - reserved, 0) AS excess FROM payable
    ), drawn AS (
        SELECT b.i, b.excess, b.account_id::text AS pot, b.available AS room FROM beyond b WHERE b.excess > 0
        UNION ALL
        SELECT b.i, b.excess, 'window ' || w.id, greatest(coalesce(w.allowed, w."limit") - w.held - w.spent, 0)
        FROM beyond b
        JOIN billing_holdbudget bound ON bound.hold_id = b.root_id
        JOIN billing_budgetwindow w ON w.id = bound.window_id
        JOIN billing_budget l ON l.id = w.budget_id
        WHERE b.excess > 0 AND (w.allowed IS NOT NULL OR l.scope = 'token')
        UNION ALL
        -- What a token had set aside and got back may be spent by now: beyond it there is nothing of the token's.
        SELECT b.i, b.excess, 'token of ' || b.id, 0 FROM beyond b WHERE b.excess > 0 AND b.is_of_token
    ), allotted AS (
        SELECT g.* FROM (
            SELECT array_agg(d.i) AS items, array_agg(d.excess) AS amounts, array_agg(d.pot) AS pots,
                array_agg(d.room) AS rooms
            FROM drawn d
        ) a CROSS JOIN LATERAL billing_allot(a.items, a.amounts, a.pots, a.rooms, '{}', true) g
        WHERE a.items IS NOT NULL
    ), granted AS (
        SELECT beyond.*, coalesce(allotted.granted, 0) AS overrun
        FROM beyond LEFT JOIN allotted ON allotted.item = beyond.i
    ), shared AS (
        SELECT granted.*, price - excess + overrun AS paid, least(platform_due, price - excess + overrun) AS platform_share
        FROM granted
    ), written AS (
        INSERT INTO billing_settlement AS s (hold_id, organization_id, beneficiary_id, platform_credential, source,
            late, cost, markup, fee, reserved, overrun, charged, creator_share, platform_share, loss)
        SELECT id, organization_id, beneficiary_id, platform_credential, source, late, cost, markup, fee, reserved,
            overrun, paid, paid - platform_share, platform_share,
            CASE WHEN platform_credential THEN greatest(cost - platform_share, 0) ELSE 0 END
        FROM shared
        RETURNING s.hold_id
    )
    SELECT coalesce(array_agg(written.hold_id), '{}') INTO settled FROM written;

    -- The reservation goes before the debit comes, or the wallet would look overdrawn in between.
    UPDATE billing_hold h
    SET state = CASE h.state WHEN 'open' THEN 'settled' ELSE 'late' END,
        closed_at = coalesce(h.closed_at, clock_timestamp())
    WHERE h.id = ANY (settled);
    PERFORM billing_post_settlements(settled);
    PERFORM billing_book_unheld(ids, costs, platform_credentials);

    WITH closed AS (
        UPDATE billing_charge c
        SET status = ending.status, finish_reason = ending.finish_reason, finished_at = clock_timestamp()
        FROM (
            SELECT DISTINCT ON (u.id) u.id, u.status, u.finish_reason
            FROM unnest(ids, statuses, finish_reasons) WITH ORDINALITY AS u (id, status, finish_reason, i)
            ORDER BY u.id, u.i
        ) ending
        WHERE c.id = ending.id AND (c.id = ANY (settled) OR c.status IN ('authorized', 'orphaned')
            AND NOT EXISTS (SELECT FROM billing_hold h WHERE h.charge_id = c.id))
        RETURNING c.id
    )
    SELECT array_agg(closed.id) INTO ended FROM closed;
    PERFORM billing_write_lines(ended, ids, lines);
    PERFORM billing_tell_settled(settled);

    RETURN QUERY
    SELECT u.i::integer,
        CASE
            WHEN c.id IS NULL THEN 'unknown'
            WHEN h.state = 'released' THEN 'released'
            ELSE 'settled'
        END,
        coalesce(s.charged, 0),
        coalesce(s.loss, t.amount, 0)
    FROM unnest(ids) WITH ORDINALITY AS u (id, i)
    LEFT JOIN billing_charge c ON c.id = u.id
    LEFT JOIN billing_hold h ON h.charge_id = u.id
    LEFT JOIN billing_settlement s ON s.hold_id = h.id
    LEFT JOIN billing_transfergroup g ON h.id IS NULL AND g.key = 'unheld_loss:' || u.id
    LEFT JOIN billing_transfer t ON t.group_id = g.id
    ORDER BY u.i;
END
$$;

-- What the charges that have just ended were made of. Of two askers for one end the first was heard.
CREATE OR REPLACE FUNCTION billing_write_lines(ended uuid[], ids uuid[], lines jsonb[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    INSERT INTO billing_usageline (organization_id, charge_id, hold_id, price_version_id, number, part, sku, unit,
        quantity, price_pico, amount_pico, source, billable, reason, attempt, upstream_request_id)
    SELECT bill.organization_id, bill.id, bill.hold_id, bill.price_version_id, l.number, l.part, left(l.sku, 200),
        l.unit, l.quantity, l.price_pico, l.amount_pico, l.source, l.billable, left(l.reason, 64), l.attempt,
        left(l.upstream_request_id, 200)
    FROM (
        SELECT DISTINCT ON (u.id) u.id, u.lines, c.organization_id, c.price_version_id, h.id AS hold_id
        FROM unnest(ids, lines) WITH ORDINALITY AS u (id, lines, i)
        JOIN billing_charge c ON c.id = u.id
        LEFT JOIN billing_hold h ON h.charge_id = c.id
        WHERE u.id = ANY (ended)
        ORDER BY u.id, u.i
    ) bill
    CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(bill.lines) AS (
        part text, sku text, unit text, quantity bigint, price_pico bigint, amount_pico numeric, source text,
        billable boolean, reason text, attempt smallint, upstream_request_id text
    )) WITH ORDINALITY AS l (part, sku, unit, quantity, price_pico, amount_pico, source, billable, reason, attempt,
        upstream_request_id, number);
END
$$;

-- The transfers of new settlements: at most four lines each.
CREATE OR REPLACE FUNCTION billing_post_settlements(settled uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    to_revenue bigint := billing_platform_account('platform_revenue');
    to_cost bigint := billing_platform_account('provider_cost');
    to_payable bigint := billing_platform_account('provider_payable');
    to_loss bigint := billing_platform_account('overrun_loss');
BEGIN
    INSERT INTO billing_account (code, kind, normal, organization_id)
    SELECT DISTINCT 'organization:' || s.beneficiary_id || ':creator_earnings', 'creator_earnings', 'C',
        s.beneficiary_id
    FROM billing_settlement s
    WHERE s.hold_id = ANY (settled) AND s.creator_share > 0 AND NOT EXISTS (
        SELECT FROM billing_account a WHERE a.kind = 'creator_earnings' AND a.organization_id = s.beneficiary_id
    )
    ON CONFLICT DO NOTHING;

    INSERT INTO billing_transfergroup (key, kind, organization_id, charge_id, hold_id)
    SELECT 'settlement:' || s.hold_id, CASE WHEN s.late THEN 'late_settlement' ELSE 'settlement' END,
        s.organization_id, h.charge_id, h.id
    FROM billing_settlement s JOIN billing_hold h ON h.id = s.hold_id
    WHERE s.hold_id = ANY (settled) AND (s.charged > 0 OR s.platform_credential AND s.cost > 0);

    INSERT INTO billing_transfer (group_id, line, debit_id, credit_id, debit_organization_id, credit_organization_id,
        amount)
    SELECT g.id, moved.line, moved.debit_id, moved.credit_id, moved.debit_organization_id,
        moved.credit_organization_id, moved.amount
    FROM billing_settlement s
    JOIN billing_hold h ON h.id = s.hold_id
    JOIN billing_transfergroup g ON g.hold_id = s.hold_id
    LEFT JOIN billing_account creator
        ON creator.kind = 'creator_earnings' AND creator.organization_id = s.beneficiary_id
    CROSS JOIN LATERAL (VALUES
        (1, h.account_id, to_revenue, s.organization_id, NULL::uuid, s.platform_share),
        (2, h.account_id, creator.id, s.organization_id, s.beneficiary_id, s.creator_share),
        (3, to_cost, to_payable, NULL, NULL, CASE WHEN s.platform_credential THEN s.cost - s.loss ELSE 0 END),
        (4, to_loss, to_payable, NULL, NULL, s.loss)
    ) AS moved (line, debit_id, credit_id, debit_organization_id, credit_organization_id, amount)
    WHERE s.hold_id = ANY (settled) AND moved.amount > 0;
END
$$;

-- Work that was let through for nothing and yet cost the platform something: the provider is owed, nobody pays.
CREATE OR REPLACE FUNCTION billing_book_unheld(ids uuid[], costs bigint[], platform_credentials boolean[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM FROM billing_charge c
    WHERE c.id = ANY (ids) AND NOT EXISTS (SELECT FROM billing_hold h WHERE h.charge_id = c.id)
    ORDER BY c.id FOR NO KEY UPDATE;

    WITH lost AS (
        SELECT DISTINCT ON (u.id) u.id, u.cost, u.platform_credential
        FROM unnest(ids, costs, platform_credentials) WITH ORDINALITY AS u (id, cost, platform_credential, i)
        ORDER BY u.id, u.i
    ), booked AS (
        INSERT INTO billing_transfergroup AS g (key, kind, organization_id, charge_id)
        SELECT 'unheld_loss:' || c.id, 'unheld_loss', c.organization_id, c.id
        FROM lost JOIN billing_charge c ON c.id = lost.id
        WHERE lost.platform_credential AND lost.cost > 0 AND c.status IN ('authorized', 'orphaned')
            AND NOT EXISTS (SELECT FROM billing_hold h WHERE h.charge_id = c.id)
        ON CONFLICT DO NOTHING
        RETURNING g.id, g.charge_id
    )
    INSERT INTO billing_transfer (group_id, line, debit_id, credit_id, amount)
    SELECT booked.id, 1, billing_platform_account('overrun_loss'), billing_platform_account('provider_payable'),
        lost.cost
    FROM booked JOIN lost ON lost.id = booked.charge_id;
END
$$;

CREATE OR REPLACE FUNCTION billing_platform_account(kind text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT a.id FROM billing_account a WHERE a.code = 'platform:' || $1;
$$;

-- The bill of a run that was cut off: one line for each part, of what had been written down last.
CREATE OR REPLACE FUNCTION billing_lines_of_checkpoint(sku text, cost bigint, markup bigint, fee bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT jsonb_agg(jsonb_build_object('part', u.part, 'sku', sku, 'unit', 'nanodollar', 'quantity', u.nanos,
        'price_pico', 1000, 'amount_pico', u.nanos::numeric * 1000, 'source', 'checkpoint', 'billable', true,
        'reason', '', 'attempt', 1, 'upstream_request_id', ''))
    FROM (VALUES ('cost', cost), ('markup', markup), ('fee', fee)) AS u (part, nanos)
    WHERE u.nanos > 0;
$$;

-- Close what nobody came back for: settle what was checkpointed, release the rest; children before what they were carved
-- out of, so that a parent has all of its own again. One sweeper at a time; answers how many holds it closed.
CREATE OR REPLACE FUNCTION billing_sweep(most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    due uuid[];
    leaves uuid[];
    closed integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('billing_sweep', 0)) THEN
        RETURN 0;
    END IF;

    -- What somebody is at work on is left for the next time. To find it out takes locks in no order: they are given back
    -- at once, and all that the sweep will touch, at every level, is then locked in the order in which everybody does.
    BEGIN
        SELECT coalesce(array_agg(late.id), '{}') INTO due FROM (
            SELECT h.id FROM billing_hold h WHERE h.state = 'open' AND h.expires_at < now()
            ORDER BY cardinality(h.ancestors) DESC, h.expires_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED
        ) late;
        RAISE EXCEPTION USING ERRCODE = 'RB001';
    EXCEPTION WHEN SQLSTATE 'RB001' THEN
        NULL;
    END;
    PERFORM billing_lock(due, '{}', '{}', '{}', '{}', '{}', '{}');

    LOOP
        SELECT coalesce(array_agg(h.id), '{}') INTO leaves FROM billing_hold h
        WHERE h.id = ANY (due) AND h.state = 'open' AND h.expires_at < now() AND NOT EXISTS (
            SELECT FROM billing_hold child
            WHERE child.parent_id = h.id AND child.state = 'open' AND child.expires_at < now()
        );
        EXIT WHEN leaves = '{}';
        PERFORM billing_close_overdue(leaves);
        closed := closed + cardinality(leaves);
    END LOOP;

    -- Free work has no hold that could expire, and no heartbeat; a day is the longest that a run may be allowed to take.
    UPDATE billing_charge c SET status = 'orphaned', finished_at = clock_timestamp()
    WHERE c.status = 'authorized' AND c.id IN (
        SELECT f.id FROM billing_charge f
        WHERE f.status = 'authorized' AND f.started_at < now() - interval '25 hours'
            AND NOT EXISTS (SELECT FROM billing_hold h WHERE h.charge_id = f.id)
        ORDER BY f.id LIMIT most FOR NO KEY UPDATE SKIP LOCKED
    );
    RETURN closed;
END
$$;

CREATE OR REPLACE FUNCTION billing_close_overdue(due uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    -- Everything that this will touch, at once: the wallets of spent holds first would be a second order of locking.
    PERFORM billing_lock(due, '{}', '{}', '{}', '{}', '{}', '{}');

    PERFORM billing_settle_many(array_agg(spent.id), array_agg(spent.accrued_cost), array_agg(spent.accrued_markup),
        array_agg(spent.accrued_fee), array_agg(spent.platform_credential), array_agg('checkpoint'::text),
        array_agg('orphaned'::text), array_agg(''::text), array_agg(billing_lines_of_checkpoint(spent.reference,
            spent.accrued_cost, spent.accrued_markup, spent.accrued_fee)))
    FROM (
        SELECT h.*, c.platform_credential, c.reference FROM billing_hold h JOIN billing_charge c ON c.id = h.charge_id
        WHERE h.id = ANY (due) AND h.accrued_cost + h.accrued_markup + h.accrued_fee > 0
        ORDER BY h.id
    ) spent
    HAVING count(*) > 0;

    UPDATE billing_hold h SET state = 'expired', closed_at = clock_timestamp()
    WHERE h.id = ANY (due) AND h.state = 'open';
    UPDATE billing_charge c SET status = 'orphaned', finished_at = clock_timestamp()
    WHERE c.id = ANY (due) AND c.status = 'authorized';
    PERFORM billing_tell_expired(due);
END
$$;
