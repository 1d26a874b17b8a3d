-- Looking after payments that a gateway collects: whom to ask about next, what each has cost, and when to give one up.

-- How long to wait after so many looks: ten minutes, then twice as long each time, a day at most.
CREATE OR REPLACE FUNCTION billing_pause(looks integer) RETURNS interval
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT least(interval '10 minutes' * 2 ^ least(looks, 8), interval '1 day')
$$;

-- The payment that has waited longest for another look, and which then waits for the next one: pending for a while, or
-- credited and its fee not known yet. Overdue is one that has been pending for too long.
CREATE OR REPLACE FUNCTION billing_next_payment(way text, rest interval, most_days integer)
RETURNS TABLE (external text, overdue boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    due uuid;
BEGIN
    SELECT t.id INTO due FROM billing_topup t
    WHERE t.rail = way AND t.next_look_at <= clock_timestamp() AND t.created_at < clock_timestamp() - rest
        AND t.external_id IS NOT NULL AND t.fee IS NULL AND t.fee_problem = ''
        AND (t.state = 'pending' OR t.group_id IS NOT NULL)
    ORDER BY t.next_look_at LIMIT 1 FOR UPDATE SKIP LOCKED;
    UPDATE billing_topup t SET looks = t.looks + 1, next_look_at = clock_timestamp() + billing_pause(t.looks)
    WHERE t.id = due;
    RETURN QUERY
    SELECT t.external_id::text, t.state = 'pending' AND t.created_at < clock_timestamp() - make_interval(days => most_days)
    FROM billing_topup t WHERE t.id = due;
END
$$;

-- Book what a payment has cost, once, as the gateway's own record says it; an amount of none is in another currency.
CREATE OR REPLACE FUNCTION billing_book_fee(way text, external text, taken bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    paid billing_topup;
    posted bigint;
BEGIN
    SELECT t.* INTO paid FROM billing_topup t WHERE t.rail = way AND t.external_id = external FOR NO KEY UPDATE;
    IF paid.group_id IS NULL THEN
        RETURN 'not_credited';
    ELSIF paid.fee IS NOT NULL THEN
        RETURN CASE WHEN paid.fee = taken THEN 'booked' ELSE 'conflict' END;
    ELSIF taken IS NULL THEN
        UPDATE billing_topup t SET fee_problem = 'another_currency' WHERE t.id = paid.id;
        RETURN 'another_currency';
    ELSIF taken > 0 THEN
        posted := billing_post('payment_fee:' || paid.id, 'payment_fee', NULL, way, 'Fee of top-up ' || paid.id, NULL,
            ARRAY[billing_platform_account('payment_fees')], ARRAY[billing_platform_account('external_clearing')],
            ARRAY[taken]);
    END IF;
    UPDATE billing_topup t SET fee = taken, fee_problem = '', fee_group_id = posted WHERE t.id = paid.id;
    RETURN 'booked';
END
$$;

-- Give up a payment that has been pending for too long. Should the gateway find it paid after all, it is credited then.
CREATE OR REPLACE FUNCTION billing_give_up_payment(way text, external text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE billing_topup t SET state = 'failed', decided_at = clock_timestamp()
    WHERE t.rail = way AND t.external_id = external AND t.state = 'pending';
    RETURN (SELECT t.state FROM billing_topup t WHERE t.rail = way AND t.external_id = external);
END
$$;

-- End payments for which the gateway never opened a page; some at a time, the oldest first.
CREATE OR REPLACE FUNCTION billing_end_unopened(way text, most_days integer, at_once integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    ended bigint;
BEGIN
    UPDATE billing_topup t SET state = 'canceled', decided_at = clock_timestamp()
    WHERE t.id IN (
        SELECT o.id FROM billing_topup o
        WHERE o.rail = way AND o.state = 'created' AND o.created_at < clock_timestamp() - make_interval(days => most_days)
        ORDER BY o.created_at LIMIT at_once FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS ended = ROW_COUNT;
    RETURN ended;
END
$$;
