-- Refunds: money of a settlement that goes back. Each is asked for under an id of its own: again is the same refund.

-- What an organization's agents have earned and was neither paid out nor clawed back.
CREATE OR REPLACE FUNCTION billing_earnings_of(organization uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN coalesce((
        SELECT billing_balance(a.id) FROM billing_account a
        WHERE a.organization_id = organization AND a.kind = 'creator_earnings'
    ), 0);
END
$$;

-- What may still be given back of a settlement. Refunds that await approval have their part; those taken back have none.
CREATE OR REPLACE FUNCTION billing_refundable(hold uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN coalesce((
        SELECT s.charged - coalesce((
            SELECT sum(r.amount) FROM billing_refund r
            WHERE r.hold_id = s.hold_id AND r.state <> 'rejected'
                AND NOT EXISTS (SELECT FROM billing_transfergroup v WHERE v.reverses_id = r.group_id)
        ), 0)
        FROM billing_settlement s
        WHERE s.hold_id = hold AND NOT EXISTS (
            SELECT FROM billing_transfergroup g JOIN billing_transfergroup v ON v.reverses_id = g.id
            WHERE g.hold_id = s.hold_id
        )
    ), 0);
END
$$;

-- The creator's part of a refund with clawback. Parts are taken from the running total, so that refunds of all that was
-- charged return exactly what the creator got; what does not divide evenly the platform bears.
CREATE OR REPLACE FUNCTION billing_creators_part(request uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (
        SELECT floor((before.amount + r.amount) * s.creator_share / s.charged)
            - floor(before.amount * s.creator_share / s.charged)
        FROM billing_refund r
        JOIN billing_settlement s ON s.hold_id = r.hold_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(o.amount), 0)::numeric AS amount FROM billing_refund o
            WHERE o.hold_id = r.hold_id AND o.clawback AND o.state = 'made'
                AND NOT EXISTS (SELECT FROM billing_transfergroup v WHERE v.reverses_id = o.group_id)
        ) before
        WHERE r.id = request AND r.clawback
    );
END
$$;

-- Ask for a refund; up to a limit it is made at once.
CREATE OR REPLACE FUNCTION billing_refund_settlement(
    request uuid, hold uuid, amount bigint, with_clawback boolean, why text, note text, actor text, alone bigint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    known billing_refund;
    wallet billing_account;
BEGIN
    SELECT a.* INTO wallet FROM billing_hold h JOIN billing_account a ON a.id = h.account_id
    WHERE h.id = hold FOR NO KEY UPDATE OF h;
    SELECT r.* INTO known FROM billing_refund r WHERE r.id = request;
    IF known.id IS NOT NULL THEN
        RETURN CASE WHEN (known.hold_id, known.amount, known.clawback) = (hold, amount, with_clawback)
            THEN known.state ELSE 'conflict' END;
    ELSIF wallet.id IS NULL OR NOT EXISTS (SELECT FROM billing_settlement s WHERE s.hold_id = hold) THEN
        RETURN 'unknown';
    ELSIF wallet.status = 'closed' THEN
        RETURN 'closed';
    ELSIF amount > billing_refundable(hold) THEN
        RETURN 'too_much';
    END IF;

    INSERT INTO billing_refund (id, organization_id, hold_id, amount, clawback, reason, note, state, requested_by,
        alone_up_to)
    VALUES (request, wallet.organization_id, hold, amount, with_clawback, why, note, 'requested', actor, alone)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'conflict';
    ELSIF amount > alone THEN
        RETURN 'requested';
    END IF;
    PERFORM billing_make_refund(request, actor);
    RETURN 'made';
END
$$;

-- A second person's word on a refund that awaits it. Who comes later is told how it ended.
CREATE OR REPLACE FUNCTION billing_decide_refund(request uuid, approved boolean, actor text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked billing_refund;
    wallet billing_account;
BEGIN
    PERFORM FROM billing_hold h JOIN billing_refund r ON r.hold_id = h.id WHERE r.id = request FOR NO KEY UPDATE OF h;
    SELECT r.* INTO asked FROM billing_refund r WHERE r.id = request;
    SELECT a.* INTO wallet FROM billing_hold h JOIN billing_account a ON a.id = h.account_id WHERE h.id = asked.hold_id;
    IF asked.id IS NULL THEN
        RETURN 'unknown';
    ELSIF asked.state <> 'requested' THEN
        RETURN asked.state;
    ELSIF NOT approved THEN
        UPDATE billing_refund r SET state = 'rejected', decided_by = actor, decided_at = clock_timestamp()
        WHERE r.id = request;
        RETURN 'rejected';
    ELSIF asked.requested_by = actor THEN
        RETURN 'same_person';
    ELSIF wallet.status = 'closed' THEN
        RETURN 'closed';
    ELSIF EXISTS (
        SELECT FROM billing_transfergroup g JOIN billing_transfergroup v ON v.reverses_id = g.id
        WHERE g.hold_id = asked.hold_id
    ) THEN
        RETURN 'too_much';
    END IF;
    PERFORM billing_make_refund(request, actor);
    RETURN 'made';
END
$$;

-- The movement itself: the platform's part out of its revenue, the creator's out of earnings, then as a debt of theirs;
-- or all of it at the platform's expense. It decides the dispute of the charge, if there is one.
CREATE OR REPLACE FUNCTION billing_make_refund(request uuid, actor text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked billing_refund;
    creator uuid;
    creators_part bigint := coalesce(billing_creators_part(request), 0);
    wallet bigint;
    earnings bigint;
    clawback bigint;
    earned bigint := 0;
    posted bigint;
BEGIN
    SELECT r.* INTO asked FROM billing_refund r WHERE r.id = request;
    SELECT s.beneficiary_id, h.account_id INTO creator, wallet
    FROM billing_settlement s JOIN billing_hold h ON h.id = s.hold_id WHERE s.hold_id = asked.hold_id;
    IF creators_part > 0 THEN
        earnings := billing_account_of(creator, 'creator_earnings');
        clawback := billing_account_of(creator, 'creator_clawback');
    END IF;
    PERFORM FROM billing_account a WHERE a.id IN (wallet, earnings, clawback) ORDER BY a.id FOR NO KEY UPDATE;

    IF creators_part > 0 THEN
        earned := least(creators_part, greatest(billing_earnings_of(creator), 0));
    END IF;
    posted := billing_post('refund:' || request, 'refund', asked.organization_id, actor, asked.note, NULL,
        ARRAY[
            billing_platform_account(CASE WHEN asked.clawback THEN 'refund_contra' ELSE 'promo_expense' END),
            earnings, clawback
        ],
        ARRAY[wallet, wallet, wallet],
        ARRAY[asked.amount - creators_part, earned, creators_part - earned]);
    UPDATE billing_refund r
    SET state = 'made', decided_by = actor, decided_at = clock_timestamp(), group_id = posted,
        from_earnings = earned, from_clawback = creators_part - earned
    WHERE r.id = request;
    PERFORM billing_refund_dispute(asked, actor);
    PERFORM billing_tell(asked.organization_id, 'refund.made', 'refund.made:' || request, jsonb_build_object(
        'refund_id', request, 'charge_id', asked.hold_id, 'amount_nanos', asked.amount::text,
        'reason', asked.reason));
END
$$;
