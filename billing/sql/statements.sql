-- Closing months. Whoever moves a wallet's money locks the wallet before it writes the transfer, so a wallet's transfers
-- are committed in the order of their ids, and a statement is what lies between two of them.

-- Once per month, each month after the one before. A transfer that is committed after its month was closed, however early
-- its transaction began, has a higher id, and belongs to the next one.
CREATE OR REPLACE FUNCTION billing_close_statement(
    organization uuid, period text, starts_at timestamptz, ends_at timestamptz, time_zone text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wallet bigint;
    before billing_statement;
    beyond bigint;
    month date := to_date(period || '-01', 'YYYY-MM-DD');
BEGIN
    SELECT a.id INTO wallet FROM billing_account a
    WHERE a.organization_id = organization AND a.kind = 'wallet' FOR NO KEY UPDATE;
    SELECT s.* INTO before FROM billing_statement s WHERE s.organization_id = organization ORDER BY s.id DESC LIMIT 1;
    IF wallet IS NULL THEN
        RETURN 'no_wallet';
    ELSIF EXISTS (
        SELECT FROM billing_statement s
        WHERE s.organization_id = organization AND s.period = billing_close_statement.period
    ) THEN
        RETURN 'repeated';
    ELSIF before.id IS NOT NULL AND to_date(before.period || '-01', 'YYYY-MM-DD') + interval '1 month' <> month THEN
        RETURN 'not_its_turn';
    ELSIF ends_at > clock_timestamp() THEN
        RETURN 'not_over';
    END IF;

    SELECT min(t.id) INTO beyond FROM billing_wallet_transfers(wallet, coalesce(before.last_transfer, 0)) t
    WHERE t.created_at >= ends_at;

    INSERT INTO billing_statement (organization_id, period, time_zone, starts_at, ends_at, previous_id, after_transfer,
        last_transfer, transfers, opening, top_ups, grants, usage, refunds, expiries, adjustments, closing)
    SELECT organization, billing_close_statement.period, billing_close_statement.time_zone,
        coalesce(before.ends_at, billing_close_statement.starts_at), billing_close_statement.ends_at, before.id,
        coalesce(before.last_transfer, 0), coalesce(max(t.id), before.last_transfer, 0), count(t.id),
        coalesce(before.closing, 0),
        coalesce(sum(t.amount) FILTER (WHERE t.part = 'top_ups'), 0),
        coalesce(sum(t.amount) FILTER (WHERE t.part = 'grants'), 0),
        -coalesce(sum(t.amount) FILTER (WHERE t.part = 'usage'), 0),
        coalesce(sum(t.amount) FILTER (WHERE t.part = 'refunds'), 0),
        -coalesce(sum(t.amount) FILTER (WHERE t.part = 'expiries'), 0),
        coalesce(sum(t.amount) FILTER (WHERE t.part = 'adjustments'), 0),
        coalesce(before.closing, 0) + coalesce(sum(t.amount), 0)
    FROM billing_wallet_transfers(wallet, coalesce(before.last_transfer, 0)) t
    WHERE beyond IS NULL OR t.id < beyond;
    RETURN 'closed';
END
$$;

-- What moved a wallet after a transfer: positive what came in, and under which heading a statement counts it.
CREATE OR REPLACE FUNCTION billing_wallet_transfers(wallet bigint, after bigint)
RETURNS TABLE (id bigint, created_at timestamptz, group_id bigint, part text, amount bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT moved.id, moved.created_at, moved.group_id,
        CASE g.kind
            WHEN 'top_up' THEN 'top_ups'
            WHEN 'grant' THEN 'grants'
            WHEN 'settlement' THEN 'usage'
            WHEN 'late_settlement' THEN 'usage'
            WHEN 'refund' THEN 'refunds'
            WHEN 'grant_expiry' THEN 'expiries'
            ELSE 'adjustments'
        END,
        moved.amount
    FROM (
        SELECT t.id, t.created_at, t.group_id, t.amount FROM billing_transfer t
        WHERE t.credit_id = wallet AND t.id > after
        UNION ALL
        SELECT t.id, t.created_at, t.group_id, -t.amount FROM billing_transfer t
        WHERE t.debit_id = wallet AND t.id > after
    ) moved
    JOIN billing_transfergroup g ON g.id = moved.group_id;
END
$$;

-- The printed statement, once: what was kept first stays.
CREATE OR REPLACE FUNCTION billing_keep_statement(statement bigint, pdf bytea) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO billing_statementfile (statement_id, organization_id, pdf, sha256)
    SELECT s.id, s.organization_id, billing_keep_statement.pdf, encode(sha256(billing_keep_statement.pdf), 'hex')
    FROM billing_statement s WHERE s.id = statement
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'repeated';
    END IF;
    PERFORM billing_tell(s.organization_id, 'statement.ready', 'statement.ready:' || s.id, jsonb_build_object(
        'period', s.period, 'closing_nanos', s.closing::text, 'usage_nanos', s.usage::text))
    FROM billing_statement s WHERE s.id = statement;
    RETURN 'kept';
END
$$;

-- Whose month is over: where the next statement is due, the month after the last one, or after the first transfer's.
CREATE OR REPLACE FUNCTION billing_statements_due(most integer)
RETURNS TABLE (organization_id uuid, time_zone text, last_period text, first_moved_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT o.id, o.time_zone::text, last.period::text, first.created_at
    FROM tenants_organization o
    JOIN billing_account a ON a.organization_id = o.id AND a.kind = 'wallet'
    LEFT JOIN LATERAL (
        SELECT s.period, s.ends_at FROM billing_statement s WHERE s.organization_id = o.id ORDER BY s.id DESC LIMIT 1
    ) last ON true
    LEFT JOIN LATERAL (
        SELECT t.created_at FROM billing_transfer t
        WHERE last.period IS NULL AND t.id = (
            SELECT least(
                (SELECT min(c.id) FROM billing_transfer c WHERE c.credit_id = a.id),
                (SELECT min(d.id) FROM billing_transfer d WHERE d.debit_id = a.id)
            )
        )
    ) first ON true
    -- Roughly, and rather too early: a month may be as short as 28 days less the day that a change of time zone takes from
    -- it, and begins up to twelve hours after it does in UTC. Whether it is over is decided where it is closed.
    WHERE coalesce(
        last.ends_at + interval '26 days',
        date_trunc('month', first.created_at - interval '12 hours', 'UTC') + interval '1 month - 1 day'
    ) < now()
    ORDER BY coalesce(last.ends_at, first.created_at) LIMIT most;
END
$$;
