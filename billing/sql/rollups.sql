-- Reading the ledger in the order in which it was written, and adding it up by the hour.

-- Numbers are given out before their rows are committed: the newest one seen says nothing of those below it. So a job
-- notes the newest ones and then draws the number of a transaction. Whoever holds a lower number of a row had locked a
-- row before it drew that number, and by this had begun a transaction before ours. Once the oldest transaction that is
-- still at work is not older than ours, what was noted has been read or will never come.
-- Answers whether the job may read up to what its watermark notes. To be called first in a transaction.
CREATE OR REPLACE FUNCTION billing_may_read(job text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    mark billing_watermark;
    newest_settlement bigint;
    newest_transfer bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('billing_watermark:' || job, 0)) THEN
        RETURN false;
    ELSIF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'the job % has to begin with reading', job USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT m.* INTO mark FROM billing_watermark m WHERE m.job = billing_may_read.job;
    IF mark.horizon IS NULL THEN
        SELECT coalesce(max(s.number), 0) INTO newest_settlement FROM billing_settlement s;
        SELECT coalesce(max(t.id), 0) INTO newest_transfer FROM billing_transfer t;
        mark.horizon := pg_current_xact_id()::text::bigint;
        UPDATE billing_watermark m
        SET next_settlement = newest_settlement, next_transfer = newest_transfer, horizon = mark.horizon
        WHERE m.job = billing_may_read.job;
    END IF;
    -- A horizon that no transaction has reached yet is that of another server, from which these rows were restored:
    -- nobody is at work there any more.
    RETURN pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= mark.horizon
        OR mark.horizon > pg_current_xact_id()::text::bigint;
END
$$;

-- Adds up what lies between two settlements and between two transfers.
CREATE OR REPLACE FUNCTION billing_add_up(
    after_settlement bigint, last_settlement bigint, after_transfer bigint, last_transfer bigint
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO billing_usagehour AS u (hour, organization_id, beneficiary_id, agent_id, reference, model, key_id,
        calls, input_tokens, output_tokens, charged, cost, own_cost, markup, fee, creator_share, platform_share, loss,
        estimated)
    SELECT date_trunc('hour', f.at, 'UTC'), f.organization_id, f.beneficiary_id, f.agent_id, f.reference, f.model,
        f.key_id, count(*), sum(f.input_tokens), sum(f.output_tokens), sum(f.charged), sum(f.cost), sum(f.own_cost),
        sum(f.markup), sum(f.fee), sum(f.creator_share), sum(f.platform_share), sum(f.loss), sum(f.estimated)
    FROM billing_usagefact f
    WHERE f.number > after_settlement AND f.number <= last_settlement
        OR f.transfer > after_transfer AND f.transfer <= last_transfer
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (hour, organization_id, beneficiary_id, agent_id, reference, model, key_id) DO UPDATE SET
        calls = u.calls + excluded.calls, input_tokens = u.input_tokens + excluded.input_tokens,
        output_tokens = u.output_tokens + excluded.output_tokens, charged = u.charged + excluded.charged,
        cost = u.cost + excluded.cost, own_cost = u.own_cost + excluded.own_cost, markup = u.markup + excluded.markup,
        fee = u.fee + excluded.fee, creator_share = u.creator_share + excluded.creator_share,
        platform_share = u.platform_share + excluded.platform_share, loss = u.loss + excluded.loss,
        estimated = u.estimated + excluded.estimated;

    INSERT INTO billing_journalhour AS j (hour, kind, debit_id, credit_id, transfers, amount)
    SELECT date_trunc('hour', t.created_at, 'UTC'), g.kind, t.debit_id, t.credit_id, count(*), sum(t.amount)
    FROM billing_transfer t JOIN billing_transfergroup g ON g.id = t.group_id
    WHERE t.id > after_transfer AND t.id <= last_transfer
    GROUP BY 1, 2, 3, 4
    ON CONFLICT (hour, kind, debit_id, credit_id) DO UPDATE SET
        transfers = j.transfers + excluded.transfers, amount = j.amount + excluded.amount;
END
$$;

-- Brings the rollups up to date, at most so many rows at a time. Answers how many numbers it went on; NULL when others
-- are still writing below what is known, or another is at it.
CREATE OR REPLACE FUNCTION billing_roll_up(most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    mark billing_watermark;
    last_settlement bigint;
    last_transfer bigint;
BEGIN
    IF NOT billing_may_read('rollups') THEN
        RETURN NULL;
    END IF;
    SELECT m.* INTO mark FROM billing_watermark m WHERE m.job = 'rollups';
    last_settlement := least(mark.next_settlement, mark.settlement + most);
    last_transfer := least(mark.next_transfer, mark.transfer + most);
    PERFORM billing_add_up(mark.settlement, last_settlement, mark.transfer, last_transfer);
    UPDATE billing_watermark m
    SET settlement = last_settlement, transfer = last_transfer,
        horizon = CASE
            WHEN last_settlement < m.next_settlement OR last_transfer < m.next_transfer THEN m.horizon
        END
    WHERE m.job = 'rollups';
    RETURN last_settlement - mark.settlement + last_transfer - mark.transfer;
END
$$;

-- Throws the rollups away and adds up again what had been added up, in one transaction.
CREATE OR REPLACE FUNCTION billing_rebuild_rollups() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    mark billing_watermark;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('billing_watermark:rollups', 0));
    SELECT m.* INTO mark FROM billing_watermark m WHERE m.job = 'rollups';
    DELETE FROM billing_usagehour;
    DELETE FROM billing_journalhour;
    PERFORM billing_add_up(0, mark.settlement, 0, mark.transfer);
END
$$;
