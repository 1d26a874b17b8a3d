-- Grants: credit that is given, spent, and expires. The wallet stays one sum; what was spent of which grant is worked out
-- afterwards, movement by movement in the order in which they were posted.

-- Give credit; above a limit it awaits a second person.
CREATE OR REPLACE FUNCTION billing_give(
    request uuid, organization uuid, what_for text, amount bigint, basis text, rank integer, expiry timestamptz,
    why text, actor text, alone bigint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    known billing_grant;
    wallet billing_account;
BEGIN
    SELECT a.* INTO wallet FROM billing_account a
    WHERE a.kind = 'wallet' AND a.organization_id = organization FOR NO KEY UPDATE;
    SELECT g.* INTO known FROM billing_grant g WHERE g.id = request;
    IF known.id IS NOT NULL THEN
        RETURN CASE WHEN (known.organization_id, known.source, known.amount, known.cost_basis, known.priority,
            known.expires_at) IS NOT DISTINCT FROM (organization, what_for, amount, basis, rank::smallint, expiry)
            THEN known.state ELSE 'conflict' END;
    ELSIF wallet.id IS NULL THEN
        RETURN 'no_wallet';
    ELSIF wallet.status = 'closed' THEN
        RETURN 'closed';
    ELSIF expiry <= now() THEN
        RETURN 'expired';
    END IF;

    INSERT INTO billing_grant (id, organization_id, source, amount, cost_basis, priority, expires_at, reason, state,
        requested_by, alone_up_to)
    VALUES (request, organization, what_for, amount, basis, rank, expiry, why, 'requested', actor, alone)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'conflict';
    ELSIF amount > alone THEN
        RETURN 'requested';
    END IF;
    PERFORM billing_make_grant(request, actor);
    RETURN 'given';
END
$$;

-- A second person's word on credit that awaits it.
CREATE OR REPLACE FUNCTION billing_decide_grant(request uuid, approved boolean, actor text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked billing_grant;
    wallet billing_account;
BEGIN
    SELECT a.* INTO wallet FROM billing_account a JOIN billing_grant g ON g.organization_id = a.organization_id
    WHERE a.kind = 'wallet' AND g.id = request FOR NO KEY UPDATE OF a;
    SELECT g.* INTO asked FROM billing_grant g WHERE g.id = request;
    IF asked.id IS NULL THEN
        RETURN 'unknown';
    ELSIF asked.state <> 'requested' THEN
        RETURN asked.state;
    ELSIF NOT approved THEN
        UPDATE billing_grant g SET state = 'rejected', decided_by = actor, decided_at = clock_timestamp()
        WHERE g.id = request;
        RETURN 'rejected';
    ELSIF asked.requested_by = actor THEN
        RETURN 'same_person';
    ELSIF wallet.status = 'closed' THEN
        RETURN 'closed';
    ELSIF asked.expires_at <= now() THEN
        RETURN 'expired';
    END IF;
    PERFORM billing_make_grant(request, actor);
    RETURN 'given';
END
$$;

-- The movement. What was spent before is worked out first: it cannot have been spent of this grant.
CREATE OR REPLACE FUNCTION billing_make_grant(request uuid, actor text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked billing_grant;
    posted bigint;
BEGIN
    SELECT g.* INTO asked FROM billing_grant g WHERE g.id = request;
    PERFORM billing_attribute(asked.organization_id, 2147483647);
    posted := billing_post('grant:' || request, 'grant', asked.organization_id, actor, asked.reason, NULL,
        ARRAY[billing_platform_account('promo_expense')],
        ARRAY[billing_account_of(asked.organization_id, 'wallet')],
        ARRAY[asked.amount]);
    UPDATE billing_grant g
    SET state = 'given', decided_by = actor, decided_at = clock_timestamp(), group_id = posted
    WHERE g.id = request;
END
$$;

-- Work out of which grants the wallet's next movements were paid, at most so many; answers how many it looked at.
-- Whatever leaves the wallet leaves it out of grants first: of the lowest priority number first, then what expires
-- soonest, what was given for free before what was paid for, and the oldest. Taking a grant out itself is no spending.
CREATE OR REPLACE FUNCTION billing_attribute(organization uuid, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wallet bigint;
    reached bigint;
    seen integer := 0;
    spent record;
    lot record;
    unpaid bigint;
    part bigint;
BEGIN
    -- Movements of a wallet are posted under its lock: none of a lower number can come after this.
    SELECT a.id INTO wallet FROM billing_account a
    WHERE a.kind = 'wallet' AND a.organization_id = organization FOR NO KEY UPDATE;
    SELECT c.transfer INTO reached FROM billing_grantcursor c WHERE c.organization_id = organization;

    IF NOT EXISTS (SELECT FROM billing_grant g
        WHERE g.organization_id = organization AND g.state = 'given' AND g.used < g.amount) THEN
        SELECT max(t.id) INTO reached FROM billing_transfer t WHERE t.debit_id = wallet;
    ELSE
        FOR spent IN
            SELECT t.id, t.group_id, t.amount,
                g.kind = 'grant_expiry' OR coalesce(r.kind = 'grant', false) AS is_taken_out
            FROM billing_transfer t
            JOIN billing_transfergroup g ON g.id = t.group_id
            LEFT JOIN billing_transfergroup r ON r.id = g.reverses_id
            WHERE t.debit_id = wallet AND t.id > coalesce(reached, 0)
            ORDER BY t.id LIMIT most
        LOOP
            seen := seen + 1;
            reached := spent.id;
            CONTINUE WHEN spent.is_taken_out;
            unpaid := spent.amount;
            FOR lot IN
                SELECT g.id, g.amount - g.used AS remaining FROM billing_grant g
                WHERE g.organization_id = organization AND g.state = 'given' AND g.used < g.amount
                    AND g.group_id < spent.group_id
                ORDER BY g.priority, g.expires_at NULLS LAST, g.cost_basis = 'paid', g.created_at, g.id
            LOOP
                EXIT WHEN unpaid = 0;
                part := least(unpaid, lot.remaining);
                INSERT INTO billing_grantburn (organization_id, grant_id, transfer_id, kind, amount)
                VALUES (organization, lot.id, spent.id, 'spent', part);
                unpaid := unpaid - part;
            END LOOP;
        END LOOP;
    END IF;

    IF reached IS NOT NULL THEN
        INSERT INTO billing_grantcursor AS c (organization_id, transfer) VALUES (organization, reached)
        ON CONFLICT (organization_id) DO UPDATE SET transfer = EXCLUDED.transfer WHERE c.transfer < EXCLUDED.transfer;
    END IF;
    RETURN seen;
END
$$;

-- Take out of the wallet what is left of a grant whose time has come; answers how much that was. Open holds keep what
-- they may still spend of it: that is taken, or not, when this runs after their end. What the wallet has besides its
-- grants is never taken, for whatever is spent is spent of the grants first.
CREATE OR REPLACE FUNCTION billing_expire_grant(request uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    due billing_grant;
    wallet billing_account;
    taken bigint;
    posted bigint;
BEGIN
    SELECT a.* INTO wallet FROM billing_account a JOIN billing_grant g ON g.organization_id = a.organization_id
    WHERE a.kind = 'wallet' AND g.id = request FOR NO KEY UPDATE OF a;
    PERFORM billing_attribute(wallet.organization_id, 2147483647);
    SELECT g.* INTO due FROM billing_grant g WHERE g.id = request;
    IF due.id IS NULL OR due.state <> 'given' OR coalesce(due.expires_at > now(), true) THEN
        RETURN 0;
    END IF;

    taken := least(due.amount - due.used, wallet.credits_posted - wallet.debits_posted) - wallet.debits_pending;
    IF taken <= 0 THEN
        RETURN 0;
    END IF;
    posted := billing_post('grant_expiry:' || request || ':' || due.used, 'grant_expiry', due.organization_id, '',
        due.reason, NULL, ARRAY[wallet.id],
        ARRAY[billing_platform_account(CASE due.cost_basis WHEN 'paid' THEN 'breakage_income' ELSE 'promo_expense' END)],
        ARRAY[taken]);
    PERFORM billing_burn(request, posted, 'expired', taken);
    RETURN taken;
END
$$;

-- What is gone of a grant by a movement that is about this grant and nothing else.
CREATE OR REPLACE FUNCTION billing_burn(request uuid, posted bigint, how text, gone bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO billing_grantburn (organization_id, grant_id, transfer_id, kind, amount)
    SELECT g.organization_id, g.id, t.id, how, gone
    FROM billing_grant g JOIN billing_transfer t ON t.group_id = posted
    WHERE g.id = request AND gone > 0;
END
$$;
