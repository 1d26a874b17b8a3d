-- Paying creators: what is payable, batches that take two people, and payouts that move once per attempt.
-- Everybody locks the batch first, then its payouts, then accounts by their ids.

-- What a creator's earnings come to: all of them, those that are too young, what is owed back for refunds, what a new
-- creator leaves in reserve, and what is left to be paid. It sees what its caller may see.
CREATE OR REPLACE FUNCTION billing_payout_position(
    organization uuid, matured_before timestamptz, reserve_basis_points integer, reserve_days integer
) RETURNS TABLE (balance bigint, immature bigint, clawback bigint, reserve bigint, payable bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    earnings bigint;
    owed bigint;
    first_earned_at timestamptz;
    matured bigint;
BEGIN
    SELECT a.id INTO earnings FROM billing_account a
    WHERE a.organization_id = organization AND a.kind = 'creator_earnings';
    SELECT a.id INTO owed FROM billing_account a
    WHERE a.organization_id = organization AND a.kind = 'creator_clawback';

    SELECT coalesce(sum(t.amount), 0),
        coalesce(sum(t.amount) FILTER (WHERE e.is_earned AND t.created_at >= matured_before), 0),
        coalesce(sum(t.amount) FILTER (WHERE e.is_earned AND t.created_at < matured_before), 0),
        min(t.created_at) FILTER (WHERE e.is_earned)
    INTO balance, immature, matured, first_earned_at
    FROM billing_transfer t
    JOIN billing_transfergroup g ON g.id = t.group_id
    CROSS JOIN LATERAL (SELECT g.kind IN ('settlement', 'late_settlement') AS is_earned) e
    WHERE t.credit_id = earnings;
    balance := balance - (SELECT coalesce(sum(t.amount), 0) FROM billing_transfer t WHERE t.debit_id = earnings);
    clawback := (SELECT coalesce(sum(CASE t.debit_id WHEN owed THEN t.amount ELSE -t.amount END), 0)
        FROM billing_transfer t WHERE owed IN (t.debit_id, t.credit_id));

    reserve := 0;
    IF first_earned_at > now() - make_interval(days => reserve_days) THEN
        reserve := ceil(matured::numeric * reserve_basis_points / 10000);
    END IF;
    payable := greatest(balance - immature - reserve - clawback, 0);
    RETURN NEXT;
END
$$;

-- One batch a month, and one at a time that waits to be approved. Whole cents; the rest stays where it is.
CREATE OR REPLACE FUNCTION billing_calculate_payouts(
    id uuid, period text, rail text, actor text, hold_back_days integer, minimum bigint,
    reserve_basis_points integer, reserve_days integer
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    batch billing_payoutbatch;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('billing_payouts', 0));
    SELECT b.* INTO batch FROM billing_payoutbatch b WHERE b.id = billing_calculate_payouts.id;
    IF batch.id IS NOT NULL THEN
        RETURN CASE WHEN (batch.period, batch.rail, batch.calculated_by)
            = (billing_calculate_payouts.period, billing_calculate_payouts.rail, actor)
            THEN 'repeated' ELSE 'conflict' END;
    ELSIF EXISTS (
        SELECT FROM billing_payoutbatch b
        WHERE b.period = billing_calculate_payouts.period AND b.state <> 'cancelled'
    ) THEN
        RETURN 'taken';
    ELSIF EXISTS (SELECT FROM billing_payoutbatch b WHERE b.state = 'calculated') THEN
        RETURN 'unfinished';
    END IF;

    INSERT INTO billing_payoutbatch (id, period, rail, watermark, hold_back_days, minimum, reserve_basis_points,
        reserve_days, calculated_by)
    SELECT billing_calculate_payouts.id, billing_calculate_payouts.period, billing_calculate_payouts.rail,
        coalesce(max(t.id), 0), billing_calculate_payouts.hold_back_days, billing_calculate_payouts.minimum,
        billing_calculate_payouts.reserve_basis_points, billing_calculate_payouts.reserve_days, actor
    FROM billing_transfer t;

    INSERT INTO billing_payout (id, batch_id, period, rail, organization_id, account_id, amount, amount_cents, clawback)
    SELECT gen_random_uuid(), billing_calculate_payouts.id, billing_calculate_payouts.period,
        billing_calculate_payouts.rail, d.organization_id, d.id, p.payable / 10000000 * 10000000, p.payable / 10000000,
        p.clawback
    FROM billing_payoutaccount d
    CROSS JOIN LATERAL billing_payout_position(d.organization_id, now() - make_interval(days => hold_back_days),
        billing_calculate_payouts.reserve_basis_points, billing_calculate_payouts.reserve_days) p
    WHERE d.replaced_at IS NULL AND d.data_key_id IS NOT NULL
        AND p.payable / 10000000 > 0 AND p.payable >= billing_calculate_payouts.minimum;
    RETURN 'calculated';
END
$$;

-- Money is set aside for what another person has approved. What a creator can no longer cover fails, and alone.
CREATE OR REPLACE FUNCTION billing_approve_payouts(id uuid, actor text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    batch billing_payoutbatch;
    due record;
BEGIN
    SELECT b.* INTO batch FROM billing_payoutbatch b WHERE b.id = billing_approve_payouts.id FOR UPDATE;
    IF batch.id IS NULL THEN
        RETURN 'unknown';
    ELSIF batch.state <> 'calculated' THEN
        RETURN CASE WHEN batch.approved_by = actor THEN 'repeated' ELSE 'not_calculated' END;
    ELSIF batch.calculated_by = actor THEN
        RETURN 'same_person';
    END IF;

    UPDATE billing_payoutbatch b SET state = 'approved', approved_by = actor, approved_at = clock_timestamp()
    WHERE b.id = batch.id;
    PERFORM FROM billing_payout p WHERE p.batch_id = batch.id ORDER BY p.id FOR UPDATE;
    PERFORM billing_lock_creators((SELECT array_agg(p.organization_id) FROM billing_payout p WHERE p.batch_id = batch.id));
    FOR due IN SELECT p.id FROM billing_payout p WHERE p.batch_id = batch.id ORDER BY p.id LOOP
        PERFORM billing_set_aside(due.id, actor);
    END LOOP;
    PERFORM billing_conclude_payouts(batch.id);
    RETURN 'approved';
END
$$;

-- The accounts that a payout moves, in the order of their ids.
CREATE OR REPLACE FUNCTION billing_lock_creators(organizations uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM billing_account a
    WHERE a.organization_id = ANY (organizations) AND a.kind IN ('creator_earnings', 'creator_clawback')
    ORDER BY a.id FOR NO KEY UPDATE;
END
$$;

-- Earnings to clearing, once per attempt, after what is owed back; the caller has locked payout and accounts.
CREATE OR REPLACE FUNCTION billing_set_aside(payout uuid, actor text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    due billing_payout;
    batch billing_payoutbatch;
    standing record;
    earnings bigint;
    posted bigint;
BEGIN
    SELECT p.* INTO due FROM billing_payout p WHERE p.id = payout;
    SELECT b.* INTO batch FROM billing_payoutbatch b WHERE b.id = due.batch_id;
    SELECT s.* INTO standing FROM billing_payout_position(due.organization_id,
        batch.calculated_at - make_interval(days => batch.hold_back_days), batch.reserve_basis_points,
        batch.reserve_days) s;
    IF standing.payable < due.amount THEN
        UPDATE billing_payout p SET state = 'failed', failure_code = 'earnings_gone', ended_at = clock_timestamp()
        WHERE p.id = due.id;
        RETURN false;
    END IF;

    earnings := billing_account_of(due.organization_id, 'creator_earnings');
    posted := billing_post(
        format('payout:%s:%s', due.id, due.attempt + 1), 'payout', due.organization_id, actor,
        'Payout of ' || due.period, NULL,
        ARRAY[earnings, earnings],
        ARRAY[billing_account_of(due.organization_id, 'creator_clawback'), billing_platform_account('payout_clearing')],
        ARRAY[standing.clawback, due.amount]
    );
    UPDATE billing_payout p
    SET state = 'pending', attempt = p.attempt + 1, tries = 0, clawback = standing.clawback, group_id = posted,
        return_group_id = NULL, failure_code = '', ended_at = NULL, next_attempt_at = clock_timestamp(),
        external_ref = CASE p.rail WHEN 'manual'
            THEN 'RB' || upper(left(replace(p.id::text, '-', ''), 16)) || '-' || p.attempt + 1 END
    WHERE p.id = due.id;
    RETURN true;
END
$$;

-- Nothing has moved yet, so nothing moves back.
CREATE OR REPLACE FUNCTION billing_cancel_payouts(id uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    batch billing_payoutbatch;
BEGIN
    SELECT b.* INTO batch FROM billing_payoutbatch b WHERE b.id = billing_cancel_payouts.id FOR UPDATE;
    IF batch.id IS NULL THEN
        RETURN 'unknown';
    ELSIF batch.state <> 'calculated' THEN
        RETURN CASE batch.state WHEN 'cancelled' THEN 'repeated' ELSE 'not_calculated' END;
    END IF;
    UPDATE billing_payoutbatch b SET state = 'cancelled', closed_at = clock_timestamp() WHERE b.id = batch.id;
    UPDATE billing_payout p SET state = 'cancelled', ended_at = clock_timestamp()
    WHERE p.batch_id = batch.id AND p.state = 'calculated';
    RETURN 'cancelled';
END
$$;

-- By hand: the bank has the file now.
CREATE OR REPLACE FUNCTION billing_send_payouts(id uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    batch billing_payoutbatch;
BEGIN
    SELECT b.* INTO batch FROM billing_payoutbatch b WHERE b.id = billing_send_payouts.id FOR UPDATE;
    IF batch.id IS NULL THEN
        RETURN 'unknown';
    ELSIF batch.rail <> 'manual' THEN
        RETURN 'not_manual';
    ELSIF batch.state IN ('calculated', 'cancelled') THEN
        RETURN 'not_approved';
    END IF;
    UPDATE billing_payout p SET state = 'sent', sent_at = clock_timestamp(), next_attempt_at = NULL
    WHERE p.batch_id = batch.id AND p.state = 'pending';
    IF NOT FOUND THEN
        RETURN 'repeated';
    END IF;
    PERFORM billing_conclude_payouts(batch.id);
    RETURN 'sent';
END
$$;

-- Through a provider: payouts that are due, leased to who asks. Whoever dies with one lets the lease run out, and the next
-- one asks the provider again, by the same key.
CREATE OR REPLACE FUNCTION billing_claim_payouts(most integer)
RETURNS TABLE (id uuid, attempt smallint, external_ref text, amount_cents bigint, organization_id uuid, account_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    claimed uuid[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('billing_claim_payouts', 0)) THEN
        RETURN;
    END IF;
    SELECT array_agg(due.id) INTO claimed FROM (
        SELECT p.id FROM billing_payout p
        WHERE p.rail = 'gateway' AND p.state IN ('pending', 'sent') AND p.next_attempt_at <= now()
        ORDER BY p.next_attempt_at, p.id LIMIT most FOR UPDATE SKIP LOCKED
    ) due;
    UPDATE billing_payout p
    SET state = 'sent', sent_at = coalesce(p.sent_at, clock_timestamp()), tries = least(p.tries + 1, 32000),
        next_attempt_at = clock_timestamp() + make_interval(secs => 60 * 2 ^ least(p.tries, 8))
    WHERE p.id = ANY (claimed);
    UPDATE billing_payoutbatch b SET state = 'sending'
    WHERE b.state <> 'sending' AND b.id IN (SELECT p.batch_id FROM billing_payout p WHERE p.id = ANY (claimed));
    RETURN QUERY
    SELECT p.id, p.attempt, p.external_ref::text, p.amount_cents, p.organization_id, p.account_id
    FROM billing_payout p WHERE p.id = ANY (claimed) ORDER BY p.id;
END
$$;

-- What became of a payout: accepted by who sends it, paid, failed before it was paid, or returned by the bank after.
-- An answer to an earlier attempt is stale; the same answer again changes nothing; another one contradicts the books.
CREATE OR REPLACE FUNCTION billing_record_payout(
    id uuid, attempt integer, outcome text, external_ref text, fee bigint, failure_code text, actor text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    paid billing_payout;
BEGIN
    PERFORM FROM billing_payoutbatch b
    WHERE b.id = (SELECT p.batch_id FROM billing_payout p WHERE p.id = billing_record_payout.id) FOR UPDATE;
    SELECT p.* INTO paid FROM billing_payout p WHERE p.id = billing_record_payout.id FOR UPDATE;
    IF paid.id IS NULL THEN
        RETURN 'unknown';
    ELSIF paid.attempt <> billing_record_payout.attempt THEN
        RETURN 'stale';
    ELSIF paid.state = outcome OR outcome = 'accepted' AND paid.state IN ('paid', 'failed', 'returned') THEN
        RETURN 'repeated';
    ELSIF NOT (paid.state IN ('pending', 'sent') OR outcome = 'returned' AND paid.state = 'paid') THEN
        RETURN 'conflict';
    ELSIF EXISTS (
        SELECT FROM billing_payout other
        WHERE other.rail = paid.rail AND other.external_ref = billing_record_payout.external_ref AND other.id <> paid.id
    ) OR paid.external_ref <> billing_record_payout.external_ref THEN
        RETURN 'conflict';
    END IF;

    IF billing_record_payout.external_ref IS NOT NULL THEN
        UPDATE billing_payout p SET external_ref = billing_record_payout.external_ref WHERE p.id = paid.id;
    END IF;
    CASE outcome
        WHEN 'accepted' THEN
            UPDATE billing_payout p
            SET state = 'sent', sent_at = coalesce(p.sent_at, clock_timestamp()), tries = 0,
                next_attempt_at = clock_timestamp() + interval '10 minutes'
            WHERE p.id = paid.id;
        WHEN 'paid' THEN
            PERFORM billing_post_paid(paid, fee, actor);
        ELSE
            PERFORM billing_post_returned(paid, outcome, left(failure_code, 64), actor);
    END CASE;
    PERFORM billing_conclude_payouts(paid.batch_id);
    RETURN 'recorded';
END
$$;

CREATE OR REPLACE FUNCTION billing_post_paid(paid billing_payout, fee bigint, actor text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    cash bigint := billing_platform_account('cash');
BEGIN
    PERFORM billing_post(
        format('payout_paid:%s:%s', paid.id, paid.attempt), 'payout', paid.organization_id, actor,
        'Payout of ' || paid.period || ' paid', NULL,
        ARRAY[billing_platform_account('payout_clearing'), billing_platform_account('payment_fees')],
        ARRAY[cash, cash], ARRAY[paid.amount, coalesce(fee, 0)]
    );
    UPDATE billing_payout p
    SET state = 'paid', fee = p.fee + coalesce(billing_post_paid.fee, 0), paid_at = clock_timestamp(),
        sent_at = coalesce(p.sent_at, clock_timestamp()), ended_at = clock_timestamp(), next_attempt_at = NULL
    WHERE p.id = paid.id;
    PERFORM billing_tell(paid.organization_id, 'payout.paid', format('payout.paid:%s:%s', paid.id, paid.attempt),
        jsonb_build_object('payout_id', paid.id, 'period', paid.period, 'amount_nanos', paid.amount::text));
END
$$;

-- The money is the creator's again; what it had covered of refunds stays covered.
CREATE OR REPLACE FUNCTION billing_post_returned(paid billing_payout, outcome text, failure_code text, actor text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    posted bigint;
BEGIN
    PERFORM billing_lock_creators(ARRAY[paid.organization_id]);
    posted := billing_post(
        format('payout_return:%s:%s', paid.id, paid.attempt), 'payout_return', paid.organization_id, actor,
        left(format('Payout of %s %s: %s', paid.period, outcome, failure_code), 200), paid.group_id,
        ARRAY[billing_platform_account(CASE paid.state WHEN 'paid' THEN 'cash' ELSE 'payout_clearing' END)],
        ARRAY[billing_account_of(paid.organization_id, 'creator_earnings')], ARRAY[paid.amount]
    );
    UPDATE billing_payout p
    SET state = outcome, failure_code = billing_post_returned.failure_code, return_group_id = posted,
        ended_at = clock_timestamp(), next_attempt_at = NULL
    WHERE p.id = paid.id;
    PERFORM billing_tell(paid.organization_id, 'payout.failed', format('payout.failed:%s:%s', paid.id, paid.attempt),
        jsonb_build_object('payout_id', paid.id, 'period', paid.period, 'amount_nanos', paid.amount::text,
            'state', outcome, 'reason', billing_post_returned.failure_code));
END
$$;

-- A failed payout tries again: money is set aside anew, for the account that the creator has by now.
CREATE OR REPLACE FUNCTION billing_retry_payout(id uuid, attempt integer, actor text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    failed billing_payout;
    destination uuid;
BEGIN
    PERFORM FROM billing_payoutbatch b
    WHERE b.id = (SELECT p.batch_id FROM billing_payout p WHERE p.id = billing_retry_payout.id) FOR UPDATE;
    SELECT p.* INTO failed FROM billing_payout p WHERE p.id = billing_retry_payout.id FOR UPDATE;
    IF failed.id IS NULL THEN
        RETURN 'unknown';
    ELSIF failed.attempt = billing_retry_payout.attempt + 1 AND failed.state <> 'failed' THEN
        RETURN 'repeated';
    ELSIF failed.state <> 'failed' OR failed.attempt <> billing_retry_payout.attempt THEN
        RETURN 'not_failed';
    END IF;
    SELECT d.id INTO destination FROM billing_payoutaccount d
    WHERE d.organization_id = failed.organization_id AND d.replaced_at IS NULL AND d.data_key_id IS NOT NULL;
    IF destination IS NULL THEN
        RETURN 'no_account';
    END IF;

    PERFORM billing_lock_creators(ARRAY[failed.organization_id]);
    UPDATE billing_payout p SET account_id = destination WHERE p.id = failed.id;
    IF NOT billing_set_aside(failed.id, actor) THEN
        RETURN 'insufficient';
    END IF;
    PERFORM billing_conclude_payouts(failed.batch_id);
    RETURN 'pending';
END
$$;

-- A batch is as far as its payouts are.
CREATE OR REPLACE FUNCTION billing_conclude_payouts(batch uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    reached text;
BEGIN
    SELECT CASE
        WHEN bool_or(p.state IN ('pending', 'sent')) AND bool_and(p.sent_at IS NULL) THEN 'approved'
        WHEN bool_or(p.state IN ('pending', 'sent')) THEN 'sending'
        WHEN bool_or(p.state IN ('failed', 'returned')) THEN 'partially_failed'
        ELSE 'closed'
    END INTO reached
    FROM billing_payout p WHERE p.batch_id = batch;
    UPDATE billing_payoutbatch b
    SET state = reached,
        closed_at = CASE WHEN reached IN ('closed', 'partially_failed') THEN coalesce(b.closed_at, clock_timestamp()) END
    WHERE b.id = batch;
END
$$;

-- A payout keeps what was calculated, and its state follows the money.
CREATE OR REPLACE FUNCTION billing_guard_payout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.batch_id, NEW.period, NEW.rail, NEW.organization_id, NEW.amount, NEW.created_at)
            IS DISTINCT FROM
            (OLD.id, OLD.batch_id, OLD.period, OLD.rail, OLD.organization_id, OLD.amount, OLD.created_at)
            OR NEW.account_id <> OLD.account_id AND OLD.state <> 'failed' THEN
        RAISE EXCEPTION 'payout % stays what it is', OLD.id USING ERRCODE = 'restrict_violation';
    ELSIF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('calculated', 'pending'), ('calculated', 'failed'), ('calculated', 'cancelled'), ('pending', 'sent'),
        ('pending', 'paid'), ('pending', 'failed'), ('pending', 'returned'), ('sent', 'paid'), ('sent', 'failed'),
        ('sent', 'returned'), ('paid', 'returned'), ('failed', 'pending')
    ) THEN
        RAISE EXCEPTION 'payout % is %, it cannot become %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
