-- Claims of banks on card payments: kept at their first word, and looked after until they are in the books.

-- Keep a claim that a gateway has told of; answers how far it is. One that took nothing before may take something now.
CREATE OR REPLACE FUNCTION billing_keep_claim(request uuid, way text, claim text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO billing_bankclaim (id, rail, external_id) VALUES (request, way, claim)
    ON CONFLICT (rail, external_id) DO NOTHING;
    UPDATE billing_bankclaim c SET state = 'open', ended_at = NULL, looks = 0, next_look_at = clock_timestamp()
    WHERE c.id = request AND c.state IN ('open', 'dropped');
    RETURN (SELECT c.state FROM billing_bankclaim c WHERE c.id = request);
END
$$;

-- The open claim that has waited longest for another look, and which then waits for the next one; empty for none.
CREATE OR REPLACE FUNCTION billing_next_claim(way text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    due uuid;
BEGIN
    SELECT c.id INTO due FROM billing_bankclaim c
    WHERE c.rail = way AND c.state = 'open' AND c.next_look_at <= clock_timestamp()
    ORDER BY c.next_look_at LIMIT 1 FOR UPDATE SKIP LOCKED;
    UPDATE billing_bankclaim c SET looks = c.looks + 1, next_look_at = clock_timestamp() + billing_pause(c.looks)
    WHERE c.id = due;
    RETURN coalesce((SELECT c.external_id FROM billing_bankclaim c WHERE c.id = due), '');
END
$$;

-- A claim takes nothing: the bank only asks, has decided for us, or the payment is none of ours.
CREATE OR REPLACE FUNCTION billing_drop_claim(way text, event text, request uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE billing_bankclaim c SET state = 'dropped', outcome = 'ignored', ended_at = clock_timestamp()
    WHERE c.id = request AND c.state = 'open';
    PERFORM billing_close_event(way, event, 'ignored');
END
$$;

-- A person's word on a claim that the books do not take; whoever comes later is told how it ended.
CREATE OR REPLACE FUNCTION billing_explain_claim(request uuid, why text, who text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    standing text;
BEGIN
    SELECT c.state INTO standing FROM billing_bankclaim c WHERE c.id = request FOR UPDATE;
    IF standing IS DISTINCT FROM 'open' THEN
        RETURN coalesce(standing, 'unknown');
    END IF;
    UPDATE billing_bankclaim c
    SET state = 'explained', explanation = why, explained_by = who, ended_at = clock_timestamp()
    WHERE c.id = request;
    RETURN 'done';
END
$$;

-- A claim keeps whose it is, and what has ended by a booking or an explanation stays ended.
CREATE OR REPLACE FUNCTION billing_guard_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.rail, NEW.external_id, NEW.received_at) IS DISTINCT FROM
            (OLD.id, OLD.rail, OLD.external_id, OLD.received_at)
        OR OLD.state IN ('booked', 'explained')
    THEN
        RAISE EXCEPTION 'claim % is % and stays what it is', OLD.external_id, OLD.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
