-- Seals: a chain of digests over the journal. Whoever changes one bit of it later breaks every seal from there on.

-- What a seal says: a digest over every column of its transfers and of their groups, after that of the seal before.
CREATE OR REPLACE FUNCTION billing_digest(after_transfer bigint, last_transfer bigint, previous bytea) RETURNS bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (
        SELECT sha256(previous || convert_to(coalesce(string_agg(jsonb_build_array(
            t.id, t.group_id, t.line, t.debit_id, t.credit_id, t.debit_organization_id, t.credit_organization_id,
            t.amount, (extract(epoch FROM t.created_at) * 1000000)::bigint,
            g.key, g.kind, g.organization_id, g.charge_id, g.hold_id, g.reverses_id, g.actor, g.memo,
            (extract(epoch FROM g.created_at) * 1000000)::bigint
        )::text, E'\n' ORDER BY t.id), ''), 'UTF8'))
        FROM billing_transfer t LEFT JOIN billing_transfergroup g ON g.id = t.group_id
        WHERE t.id > after_transfer AND t.id <= last_transfer
    );
END
$$;

-- Seals what was written since the last seal, at most so many transfers in one. Answers the number of the new seal;
-- NULL when there is nothing to seal yet.
CREATE OR REPLACE FUNCTION billing_seal(most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    mark billing_watermark;
    last_transfer bigint;
    former billing_seal;
    made bigint;
BEGIN
    IF NOT billing_may_read('seals') THEN
        RETURN NULL;
    END IF;
    SELECT m.* INTO mark FROM billing_watermark m WHERE m.job = 'seals';
    last_transfer := least(mark.next_transfer, mark.transfer + most);
    IF EXISTS (SELECT FROM billing_transfer t WHERE t.id > mark.transfer AND t.id <= last_transfer) THEN
        SELECT s.* INTO former FROM billing_seal s ORDER BY s.number DESC LIMIT 1;
        INSERT INTO billing_seal AS s (number, first, last, transfers, previous, digest)
        SELECT coalesce(former.number, 0) + 1, mark.transfer + 1, last_transfer,
            (SELECT count(*) FROM billing_transfer t WHERE t.id > mark.transfer AND t.id <= last_transfer),
            coalesce(former.digest, ''::bytea),
            billing_digest(mark.transfer, last_transfer, coalesce(former.digest, ''::bytea))
        RETURNING s.number INTO made;
    ELSE
        last_transfer := mark.transfer;
    END IF;
    UPDATE billing_watermark m
    SET transfer = last_transfer, settlement = m.next_settlement,
        horizon = CASE WHEN made IS NOT NULL AND last_transfer < m.next_transfer THEN m.horizon END
    WHERE m.job = 'seals';
    RETURN made;
END
$$;

-- The seals that do not say what the journal says, or do not follow on the one before.
CREATE OR REPLACE FUNCTION billing_broken_seals() RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT s.number
    FROM (
        SELECT b.*, lag(b.digest, 1, ''::bytea) OVER chain AS before, lag(b.last, 1, 0::bigint) OVER chain AS reached,
            row_number() OVER chain AS place
        FROM billing_seal b WINDOW chain AS (ORDER BY b.number)
    ) s
    WHERE s.number <> s.place OR s.previous <> s.before OR s.first <> s.reached + 1
        OR s.transfers <> (SELECT count(*) FROM billing_transfer t WHERE t.id >= s.first AND t.id <= s.last)
        OR s.digest <> billing_digest(s.first - 1, s.last, s.previous)
    ORDER BY s.number;
END
$$;
