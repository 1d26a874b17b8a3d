-- Top-ups over time: announced, awaited, credited or not; and what gateways say about them.

-- Announce money. What a person enters is credited at once up to a limit, and above it when another approves; what a
-- gateway collects is credited when it says so.
CREATE OR REPLACE FUNCTION billing_announce_top_up(
    request uuid, organization uuid, amount bigint, way text, note text, who text, alone bigint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    known billing_topup;
    wallet billing_account;
BEGIN
    SELECT a.* INTO wallet FROM billing_account a
    WHERE a.kind = 'wallet' AND a.organization_id = organization FOR NO KEY UPDATE;
    SELECT t.* INTO known FROM billing_topup t WHERE t.id = request;
    IF known.id IS NOT NULL THEN
        RETURN CASE WHEN (known.organization_id, known.amount, known.rail) = (organization, amount, way)
            THEN known.state ELSE 'conflict' END;
    ELSIF wallet.id IS NULL THEN
        RETURN 'no_wallet';
    ELSIF wallet.status = 'closed' THEN
        RETURN 'closed';
    END IF;

    INSERT INTO billing_topup (id, organization_id, amount, rail, state, reference, actor, alone_up_to)
    VALUES (request, organization, amount, way, CASE way WHEN 'manual' THEN 'pending' ELSE 'created' END, note, who, alone)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'conflict';
    ELSIF way <> 'manual' THEN
        RETURN 'created';
    ELSIF amount > alone THEN
        RETURN 'pending';
    END IF;
    PERFORM billing_credit_top_up(request, who, '');
    RETURN 'credited';
END
$$;

-- A second person's word on money that was entered by hand.
CREATE OR REPLACE FUNCTION billing_decide_top_up(request uuid, approved boolean, who text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked billing_topup;
    wallet billing_account;
BEGIN
    SELECT a.* INTO wallet FROM billing_account a JOIN billing_topup t ON t.organization_id = a.organization_id
    WHERE a.kind = 'wallet' AND t.id = request FOR NO KEY UPDATE OF a;
    SELECT t.* INTO asked FROM billing_topup t WHERE t.id = request;
    IF asked.id IS NULL OR asked.rail <> 'manual' THEN
        RETURN 'unknown';
    ELSIF asked.state <> 'pending' THEN
        RETURN asked.state;
    ELSIF NOT approved THEN
        UPDATE billing_topup t SET state = 'canceled', decided_by = who, decided_at = clock_timestamp()
        WHERE t.id = request;
        RETURN 'canceled';
    ELSIF asked.actor = who THEN
        RETURN 'same_person';
    ELSIF wallet.status = 'closed' THEN
        RETURN 'closed';
    END IF;
    PERFORM billing_credit_top_up(request, who, who);
    RETURN 'credited';
END
$$;

CREATE OR REPLACE FUNCTION billing_credit_top_up(request uuid, who text, second text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    arrived billing_topup;
    posted bigint;
BEGIN
    SELECT t.* INTO arrived FROM billing_topup t WHERE t.id = request;
    posted := billing_post('top_up:' || request, 'top_up', arrived.organization_id, who, arrived.reference, NULL,
        ARRAY[billing_platform_account('external_clearing')],
        ARRAY[billing_account_of(arrived.organization_id, 'wallet')],
        ARRAY[arrived.amount]);
    UPDATE billing_topup t
    SET state = 'credited', group_id = posted, decided_by = second, decided_at = clock_timestamp()
    WHERE t.id = request;
    PERFORM billing_tell(arrived.organization_id, 'topup.succeeded', 'topup.succeeded:' || request, jsonb_build_object(
        'top_up_id', request, 'amount_nanos', arrived.amount::text, 'rail', arrived.rail,
        'reference', arrived.reference));
END
$$;

-- A gateway has opened its page for this top-up.
CREATE OR REPLACE FUNCTION billing_await_payment(request uuid, external text, page text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE billing_topup t SET state = 'pending', external_id = external, page_url = page
    WHERE t.id = request AND t.state = 'created';
    RETURN (SELECT t.state FROM billing_topup t WHERE t.id = request);
END
$$;

-- Keep what a gateway said, as it said it; answers how far the event is, whether it is new or came before.
CREATE OR REPLACE FUNCTION billing_keep_event(way text, event text, about text, object text, raw text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO billing_gatewayevent (rail, event_id, kind, object_id, body) VALUES (way, event, about, object, raw)
    ON CONFLICT (rail, event_id) DO NOTHING;
    RETURN (SELECT e.state FROM billing_gatewayevent e WHERE e.rail = way AND e.event_id = event);
END
$$;

CREATE OR REPLACE FUNCTION billing_close_event(way text, event text, what text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE billing_gatewayevent e
    SET state = CASE what WHEN 'ignored' THEN 'ignored' ELSE 'processed' END, outcome = what,
        processed_at = clock_timestamp()
    WHERE e.rail = way AND e.event_id = event AND e.state = 'received';
END
$$;

-- Act upon what a gateway's own record of a payment says now, in one transaction with the end of the event (or of none,
-- when nobody told us and we asked). The record is the truth, so it does not matter in which order events come, nor
-- whether we had given the payment up.
CREATE OR REPLACE FUNCTION billing_apply_payment(
    way text, event text, external text, standing text, amount bigint, payment text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    known billing_topup;
    outcome text;
BEGIN
    PERFORM FROM billing_account a JOIN billing_topup t ON t.organization_id = a.organization_id
    WHERE a.kind = 'wallet' AND t.rail = way AND t.external_id = external FOR NO KEY UPDATE OF a;
    SELECT t.* INTO known FROM billing_topup t WHERE t.rail = way AND t.external_id = external;
    IF known.id IS NULL THEN
        outcome := 'ignored';
    ELSIF known.group_id IS NOT NULL OR standing = 'pending' OR (standing <> 'paid' AND known.state <> 'pending') THEN
        outcome := known.state;
    ELSIF standing <> 'paid' THEN
        UPDATE billing_topup t SET state = standing, decided_at = clock_timestamp() WHERE t.id = known.id;
        outcome := standing;
    ELSIF amount IS DISTINCT FROM known.amount THEN
        outcome := 'mismatch';
    ELSE
        UPDATE billing_topup t SET payment_id = payment, looks = 0, next_look_at = clock_timestamp()
        WHERE t.id = known.id;
        PERFORM billing_credit_top_up(known.id, way, '');
        outcome := 'credited';
    END IF;
    PERFORM billing_close_event(way, event, outcome);
    RETURN outcome;
END
$$;

-- A bank has taken back a payment that a gateway had collected: all of it or a part. What the books do not take at once
-- stays an open claim; `request` is its id, and that of the chargeback.
CREATE OR REPLACE FUNCTION billing_apply_dispute(
    way text, event text, request uuid, payment text, amount bigint, why text, ticket_no text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    paid billing_topup;
    said text;
BEGIN
    SELECT c.state INTO said FROM billing_bankclaim c WHERE c.id = request FOR UPDATE;
    IF said = 'open' THEN
        SELECT t.* INTO paid FROM billing_topup t WHERE t.rail = way AND t.payment_id = payment;
        IF amount IS NULL THEN
            said := 'another_currency';
        ELSIF paid.id IS NULL THEN
            said := 'not_credited';
        ELSE
            said := billing_charge_back(request, paid.organization_id, amount, paid.id, why, ticket_no, way);
        END IF;
        UPDATE billing_bankclaim c
        SET top_up_id = paid.id, amount = billing_apply_dispute.amount, reason = why, outcome = said,
            state = CASE said WHEN 'made' THEN 'booked' ELSE 'open' END,
            ended_at = CASE said WHEN 'made' THEN clock_timestamp() END
        WHERE c.id = request;
    END IF;
    PERFORM billing_close_event(way, event, said);
    RETURN said;
END
$$;
