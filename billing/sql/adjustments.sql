-- Adjustments: what people post to correct what others did. History is never edited; a mistake is posted backwards.

-- The lines that an adjustment posts: a group's own, the other way around, or the one between its two accounts.
CREATE OR REPLACE FUNCTION billing_lines_of_adjustment(debit bigint, credit bigint, reverses bigint, amount bigint)
RETURNS TABLE (debit_id bigint, credit_id bigint, moved bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF reverses IS NULL THEN
        RETURN QUERY SELECT debit, credit, amount;
    ELSE
        RETURN QUERY SELECT t.credit_id, t.debit_id, t.amount FROM billing_transfer t
            WHERE t.group_id = reverses ORDER BY t.line;
    END IF;
END
$$;

-- Why an adjustment cannot be posted now; nothing when it can. Locks the accounts that it would take from.
CREATE OR REPLACE FUNCTION billing_adjustment_problem(
    how text, debit bigint, credit bigint, reverses bigint, amount bigint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM billing_hold h JOIN billing_transfergroup g ON g.hold_id = h.id
    WHERE g.id = reverses FOR NO KEY UPDATE OF h;
    PERFORM FROM billing_account a
    WHERE a.kind IN ('wallet', 'creator_earnings', 'creator_clawback') AND a.id IN (
        SELECT unnest(ARRAY[l.debit_id, l.credit_id])
        FROM billing_lines_of_adjustment(debit, credit, reverses, amount) l
    )
    ORDER BY a.id FOR NO KEY UPDATE;

    RETURN coalesce(
        CASE how
            WHEN 'reversal' THEN billing_reversal_problem(reverses)
            WHEN 'write_off' THEN billing_write_off_problem(debit, credit, amount)
        END,
        (
            SELECT CASE
                WHEN a.kind = 'wallet' AND a.status = 'closed' THEN 'closed'
                WHEN a.kind = 'wallet' AND a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending
                    < side.taken THEN 'insufficient'
                WHEN a.kind = 'creator_earnings' AND side.taken > 0 AND billing_balance(a.id) < side.taken
                    THEN 'insufficient'
            END AS problem
            FROM (
                SELECT l.account_id, sum(l.taken) AS taken FROM (
                    SELECT d.debit_id AS account_id, d.moved AS taken
                    FROM billing_lines_of_adjustment(debit, credit, reverses, amount) d
                    UNION ALL
                    SELECT c.credit_id, -c.moved FROM billing_lines_of_adjustment(debit, credit, reverses, amount) c
                ) l GROUP BY l.account_id
            ) side
            JOIN billing_account a ON a.id = side.account_id
            ORDER BY problem NULLS LAST LIMIT 1
        )
    );
END
$$;

-- What is reversed once stays so; payouts and top-ups that went back have gone their own way, and a settlement of which
-- something was refunded is refunded further instead.
CREATE OR REPLACE FUNCTION billing_reversal_problem(reverses bigint) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (
        SELECT CASE
            WHEN EXISTS (SELECT FROM billing_transfergroup v WHERE v.reverses_id = g.id) THEN 'reversed'
            WHEN g.kind IN ('reversal', 'payout', 'payout_return') THEN 'irreversible'
            WHEN EXISTS (SELECT FROM billing_topup t WHERE t.group_id = g.id AND t.state <> 'credited') THEN 'returned'
            WHEN EXISTS (
                SELECT FROM billing_refund r WHERE r.hold_id = g.hold_id AND r.state <> 'rejected'
                    AND NOT EXISTS (SELECT FROM billing_transfergroup v WHERE v.reverses_id = r.group_id)
            ) THEN 'refunded'
        END
        FROM billing_transfergroup g WHERE g.id = reverses
    );
END
$$;

-- A debt is written off at the platform's expense, and no more than the debt.
CREATE OR REPLACE FUNCTION billing_write_off_problem(debit bigint, credit bigint, amount bigint) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (
        SELECT CASE
            WHEN debit <> billing_platform_account('overrun_loss') OR a.kind NOT IN ('wallet', 'creator_clawback')
                THEN 'not_a_debt'
            WHEN amount > CASE a.kind WHEN 'wallet' THEN a.debits_posted - a.credits_posted ELSE billing_balance(a.id) END
                THEN 'too_much'
        END
        FROM billing_account a WHERE a.id = credit
    );
END
$$;

-- Ask for an adjustment, a write-off or a reversal; up to a limit it is posted at once. `owner` is whose books it is in.
CREATE OR REPLACE FUNCTION billing_adjust(
    request uuid, how text, debit bigint, credit bigint, reverses bigint, amount bigint, why text, ticket_no text,
    actor text, alone bigint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    known billing_adjustment;
    owner uuid;
    total bigint := amount;
    problem text;
BEGIN
    IF reverses IS NOT NULL THEN
        SELECT g.organization_id INTO owner FROM billing_transfergroup g WHERE g.id = reverses;
        SELECT sum(t.amount) INTO total FROM billing_transfer t WHERE t.group_id = reverses;
    ELSE
        SELECT coalesce(d.organization_id, c.organization_id) INTO owner
        FROM billing_account d, billing_account c WHERE d.id = debit AND c.id = credit;
    END IF;
    IF NOT FOUND OR total IS NULL THEN
        RETURN 'unknown';
    END IF;
    problem := billing_adjustment_problem(how, debit, credit, reverses, total);
    SELECT a.* INTO known FROM billing_adjustment a WHERE a.id = request;
    IF known.id IS NOT NULL THEN
        RETURN CASE WHEN (known.kind, known.debit_id, known.credit_id, known.reverses_id, known.amount)
            IS NOT DISTINCT FROM (how, debit, credit, reverses, total) THEN known.state ELSE 'conflict' END;
    ELSIF problem IS NOT NULL THEN
        RETURN problem;
    END IF;

    INSERT INTO billing_adjustment (id, organization_id, kind, debit_id, credit_id, reverses_id, amount, reason, ticket,
        state, requested_by, alone_up_to)
    VALUES (request, owner, how, debit, credit, reverses, total, why, ticket_no, 'requested', actor, alone)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'conflict';
    ELSIF total > alone THEN
        RETURN 'requested';
    END IF;
    PERFORM billing_make_adjustment(request, actor);
    RETURN 'made';
END
$$;

-- A second person's word on an adjustment that awaits it.
CREATE OR REPLACE FUNCTION billing_decide_adjustment(request uuid, approved boolean, actor text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked billing_adjustment;
    problem text;
BEGIN
    SELECT a.* INTO asked FROM billing_adjustment a WHERE a.id = request FOR UPDATE;
    IF asked.id IS NULL THEN
        RETURN 'unknown';
    ELSIF asked.state <> 'requested' THEN
        RETURN asked.state;
    ELSIF NOT approved THEN
        UPDATE billing_adjustment a SET state = 'rejected', decided_by = actor, decided_at = clock_timestamp()
        WHERE a.id = request;
        RETURN 'rejected';
    ELSIF asked.requested_by = actor THEN
        RETURN 'same_person';
    END IF;
    problem := billing_adjustment_problem(asked.kind, asked.debit_id, asked.credit_id, asked.reverses_id, asked.amount);
    IF problem IS NOT NULL THEN
        RETURN problem;
    END IF;
    PERFORM billing_make_adjustment(request, actor);
    RETURN 'made';
END
$$;

CREATE OR REPLACE FUNCTION billing_make_adjustment(request uuid, actor text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked billing_adjustment;
    posted bigint;
BEGIN
    SELECT a.* INTO asked FROM billing_adjustment a WHERE a.id = request;
    IF asked.kind = 'reversal' THEN
        PERFORM billing_attribute(g.organization_id, 2147483647)
        FROM billing_grant g WHERE g.group_id = asked.reverses_id;
    END IF;
    SELECT billing_post(asked.kind || ':' || request, asked.kind, asked.organization_id, actor, asked.reason,
        asked.reverses_id, array_agg(l.debit_id), array_agg(l.credit_id), array_agg(l.moved)) INTO posted
    FROM billing_lines_of_adjustment(asked.debit_id, asked.credit_id, asked.reverses_id, asked.amount) l;
    UPDATE billing_adjustment a
    SET state = 'made', decided_by = actor, decided_at = clock_timestamp(), group_id = posted
    WHERE a.id = request;

    -- What had come with the group goes with it: the rest of its grant, the standing of its top-up.
    PERFORM billing_burn(g.id, posted, 'reversed', g.amount - g.used)
    FROM billing_grant g WHERE g.group_id = asked.reverses_id;
    UPDATE billing_topup t SET state = 'canceled' WHERE t.group_id = asked.reverses_id;
    UPDATE billing_topup t SET state = 'credited'
    FROM billing_adjustment a WHERE a.group_id = asked.reverses_id AND a.kind = 'chargeback' AND t.id = a.top_up_id;
END
$$;

-- A bank has taken a payment back. The wallet stands still and gives what it has left; the rest is the platform's loss.
CREATE OR REPLACE FUNCTION billing_charge_back(
    request uuid, organization uuid, amount bigint, paid uuid, why text, ticket_no text, actor text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    known billing_adjustment;
    wallet billing_account;
    clearing bigint := billing_platform_account('external_clearing');
    taken bigint;
    posted bigint;
BEGIN
    -- What was set aside for others to spend comes back first. Tokens and their holds are taken before wallets.
    PERFORM billing_end_tokens_of(organization);
    SELECT a.* INTO wallet FROM billing_account a
    WHERE a.kind = 'wallet' AND a.organization_id = organization FOR NO KEY UPDATE;
    SELECT a.* INTO known FROM billing_adjustment a WHERE a.id = request;
    IF known.id IS NOT NULL THEN
        RETURN CASE WHEN (known.kind, known.debit_id, known.amount, known.top_up_id)
            IS NOT DISTINCT FROM ('chargeback', wallet.id, amount, paid) THEN known.state ELSE 'conflict' END;
    ELSIF wallet.id IS NULL THEN
        RETURN 'no_wallet';
    ELSIF paid IS NOT NULL AND NOT EXISTS (
        SELECT FROM billing_topup t
        WHERE t.id = paid AND t.organization_id = organization AND t.state = 'credited' AND t.amount >= billing_charge_back.amount
    ) THEN
        RETURN 'returned';
    END IF;

    taken := least(amount, greatest(wallet.credits_posted - wallet.debits_posted - wallet.debits_pending, 0));
    posted := billing_post('chargeback:' || request, 'chargeback', organization, actor, why, NULL,
        ARRAY[wallet.id, billing_platform_account('overrun_loss')], ARRAY[clearing, clearing],
        ARRAY[taken, amount - taken]);
    INSERT INTO billing_adjustment (id, organization_id, kind, debit_id, credit_id, top_up_id, amount, reason, ticket,
        state, requested_by, alone_up_to, decided_by, decided_at, group_id)
    VALUES (request, organization, 'chargeback', wallet.id, clearing, paid, amount, why, ticket_no, 'made', actor, 0,
        actor, clock_timestamp(), posted);
    UPDATE billing_topup t SET state = 'disputed' WHERE t.id = paid;
    UPDATE billing_account a SET status = 'frozen', status_reason = why WHERE a.id = wallet.id AND a.status = 'open';
    RETURN 'made';
END
$$;

-- Let a wallet stand still, move again, or close for good. A wallet is closed when it is empty.
CREATE OR REPLACE FUNCTION billing_set_wallet(organization uuid, standing text, why text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wallet billing_account;
BEGIN
    SELECT a.* INTO wallet FROM billing_account a
    WHERE a.kind = 'wallet' AND a.organization_id = organization FOR NO KEY UPDATE;
    IF wallet.id IS NULL THEN
        RETURN 'no_wallet';
    ELSIF wallet.status = 'closed' AND standing <> 'closed' THEN
        RETURN 'closed';
    ELSIF standing = 'closed' AND (wallet.credits_posted <> wallet.debits_posted OR wallet.debits_pending <> 0) THEN
        RETURN 'not_empty';
    END IF;
    UPDATE billing_account a SET status = standing, status_reason = CASE standing WHEN 'open' THEN '' ELSE why END
    WHERE a.id = wallet.id;
    RETURN standing;
END
$$;

-- How far below zero an organization that pays afterwards may go; not less than it has gone.
CREATE OR REPLACE FUNCTION billing_set_credit_limit(organization uuid, most bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM billing_account a
    WHERE a.kind = 'wallet' AND a.organization_id = organization FOR NO KEY UPDATE;
    UPDATE billing_account a SET credit_limit = most
    WHERE a.kind = 'wallet' AND a.organization_id = organization
        AND a.credits_posted + most - a.debits_posted - a.debits_pending >= 0;
    RETURN CASE
        WHEN FOUND THEN 'set'
        WHEN EXISTS (SELECT FROM billing_account a WHERE a.kind = 'wallet' AND a.organization_id = organization)
            THEN 'in_use'
        ELSE 'no_wallet'
    END;
END
$$;
