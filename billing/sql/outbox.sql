-- News of money: written in the transaction that made it true, and only where somebody listens.

-- Tell an organization of something, once per key.
CREATE OR REPLACE FUNCTION billing_tell(organization uuid, topic text, key text, payload jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF billing_listens(organization, topic) THEN
        INSERT INTO billing_outboxevent (id, organization_id, topic, key, payload)
        VALUES (gen_random_uuid(), organization, billing_tell.topic, billing_tell.key, billing_tell.payload)
        ON CONFLICT DO NOTHING;
    END IF;
END
$$;

-- Some topics go to people's mailboxes, whoever else listens.
CREATE OR REPLACE FUNCTION billing_listens(organization uuid, topic text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN topic IN ('balance.low', 'budget.threshold', 'payout.paid', 'payout.failed', 'statement.ready',
            'dispute.decided')
        OR EXISTS (
            SELECT FROM billing_webhookendpoint w
            WHERE w.organization_id = organization AND w.active AND w.topics @> ARRAY[topic]::varchar[]
        );
END
$$;

-- Settled charges, for those who asked for them: nobody, mostly, so that the books pay one look for each payer.
CREATE OR REPLACE FUNCTION billing_tell_settled(settled uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    listening uuid[] := ARRAY(
        SELECT payer.organization_id
        FROM (SELECT DISTINCT s.organization_id FROM billing_settlement s WHERE s.hold_id = ANY (settled)) payer
        WHERE billing_listens(payer.organization_id, 'charge.settled')
    );
BEGIN
    IF listening = '{}' THEN
        RETURN;
    END IF;
    PERFORM billing_tell(s.organization_id, 'charge.settled', 'charge.settled:' || s.hold_id, jsonb_build_object(
        'charge_id', c.id, 'run_id', c.run_id, 'reference', c.reference, 'status', c.status,
        'charged_nanos', s.charged::text, 'source', s.source))
    FROM billing_settlement s
    JOIN billing_charge c ON c.id = s.hold_id
    WHERE s.hold_id = ANY (settled) AND s.organization_id = ANY (listening)
    ORDER BY s.hold_id;
END
$$;

-- Holds that nobody came back for: what had been written down of them is charged, the rest returned.
CREATE OR REPLACE FUNCTION billing_tell_expired(holds uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM billing_tell(h.organization_id, 'hold.expired', 'hold.expired:' || h.id, jsonb_build_object(
        'hold_id', h.id, 'charge_id', h.charge_id, 'run_id', c.run_id, 'reference', c.reference,
        'amount_nanos', h.amount::text, 'charged_nanos', coalesce(s.charged, 0)::text))
    FROM billing_hold h
    JOIN billing_charge c ON c.id = h.charge_id
    LEFT JOIN billing_settlement s ON s.hold_id = h.id
    WHERE h.id = ANY (holds) AND c.kind <> 'token'
    ORDER BY h.id;
END
$$;

-- Warn of wallets that fell below what their owners named; who recovers may be warned again.
CREATE OR REPLACE FUNCTION billing_warn_of_balances() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    fallen record;
    warned integer := 0;
BEGIN
    UPDATE billing_balancealert b SET is_low = false
    FROM billing_account a
    WHERE b.is_low AND a.kind = 'wallet' AND a.organization_id = b.organization_id
        AND a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending >= b.below;

    FOR fallen IN
        UPDATE billing_balancealert b SET is_low = true, told = b.told + 1
        FROM billing_account a
        WHERE NOT b.is_low AND a.kind = 'wallet' AND a.organization_id = b.organization_id
            AND a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending < b.below
        RETURNING b.organization_id, b.below, b.told,
            a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending AS available
    LOOP
        PERFORM billing_tell(fallen.organization_id, 'balance.low',
            'balance.low:' || fallen.organization_id || ':' || fallen.told,
            jsonb_build_object('available_nanos', fallen.available::text, 'below_nanos', fallen.below::text));
        warned := warned + 1;
    END LOOP;
    RETURN warned;
END
$$;
