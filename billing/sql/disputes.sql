-- Disputes: a payer's word against a charge. They move no money: a refund does, and decides the dispute of its charge.

-- Dispute a charge of an organization's own. Who does and who refunds wait for each other at the hold.
CREATE OR REPLACE FUNCTION billing_open_dispute(
    request uuid, organization uuid, charge uuid, why text, said text, who text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    hold uuid;
    known billing_dispute;
BEGIN
    SELECT h.id INTO hold FROM billing_hold h
    WHERE h.charge_id = charge AND h.organization_id = organization FOR NO KEY UPDATE;
    SELECT d.* INTO known FROM billing_dispute d WHERE d.id = request;
    IF known.id IS NOT NULL THEN
        RETURN CASE WHEN (known.hold_id, known.reason, known.note) = (hold, why, said) THEN known.state
            ELSE 'conflict' END;
    ELSIF hold IS NULL THEN
        RETURN 'unknown';
    ELSIF EXISTS (SELECT FROM billing_dispute d WHERE d.hold_id = hold AND d.state = 'open') THEN
        RETURN 'disputed_already';
    ELSIF billing_refundable(hold) = 0 THEN
        RETURN 'nothing_charged';
    END IF;
    INSERT INTO billing_dispute (id, organization_id, hold_id, reason, note, opened_by)
    VALUES (request, organization, hold, why, said, who);
    RETURN 'open';
END
$$;

-- Staff's no, with what the payer is told; whoever comes later is told how it ended.
CREATE OR REPLACE FUNCTION billing_reject_dispute(request uuid, said text, who text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked billing_dispute;
BEGIN
    PERFORM FROM billing_hold h JOIN billing_dispute d ON d.hold_id = h.id WHERE d.id = request FOR NO KEY UPDATE OF h;
    SELECT d.* INTO asked FROM billing_dispute d WHERE d.id = request;
    IF asked.id IS NULL THEN
        RETURN 'unknown';
    ELSIF asked.state <> 'open' THEN
        RETURN asked.state;
    END IF;
    UPDATE billing_dispute d
    SET state = 'rejected', answer = said, decided_by = who, decided_at = clock_timestamp()
    WHERE d.id = request;
    PERFORM billing_tell_dispute(request);
    RETURN 'done';
END
$$;

-- A refund of a charge decides the dispute of it, if there is an open one. The hold is locked already.
CREATE OR REPLACE FUNCTION billing_refund_dispute(made billing_refund, who text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    decided uuid;
BEGIN
    UPDATE billing_dispute d
    SET state = 'refunded', answer = made.note, decided_by = who, decided_at = clock_timestamp(), refund_id = made.id
    WHERE d.hold_id = made.hold_id AND d.state = 'open'
    RETURNING d.id INTO decided;
    IF decided IS NOT NULL THEN
        PERFORM billing_tell_dispute(decided);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION billing_tell_dispute(decided uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM billing_tell(d.organization_id, 'dispute.decided', 'dispute.decided:' || d.id, jsonb_build_object(
        'dispute_id', d.id, 'charge_id', h.charge_id, 'status', d.state, 'answer', d.answer,
        'refunded_nanos', coalesce(r.amount, 0)::text))
    FROM billing_dispute d JOIN billing_hold h ON h.id = d.hold_id LEFT JOIN billing_refund r ON r.id = d.refund_id
    WHERE d.id = decided;
END
$$;

-- A dispute is decided once; what was said in it never changes.
CREATE OR REPLACE FUNCTION billing_guard_dispute() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decision text[] := ARRAY['state', 'answer', 'decided_by', 'decided_at', 'refund_id'];
BEGIN
    IF OLD.state <> 'open' OR to_jsonb(NEW) - decision IS DISTINCT FROM to_jsonb(OLD) - decision THEN
        RAISE EXCEPTION 'dispute % stays what it is', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
