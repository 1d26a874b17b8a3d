-- What no path may break, whoever writes: history is append-only, wallet totals follow the rows, holds move forward.

CREATE OR REPLACE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: what happened stays; correct it by a further transfer', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;

-- The totals of an account are sums over transfers and holds; only their triggers (depth 2) may write them.
CREATE OR REPLACE FUNCTION billing_guard_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.debits_posted + NEW.credits_posted + NEW.debits_pending <> 0 THEN
            RAISE EXCEPTION 'account % must start empty', NEW.code USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF (NEW.debits_posted, NEW.credits_posted, NEW.debits_pending)
            IS DISTINCT FROM (OLD.debits_posted, OLD.credits_posted, OLD.debits_pending)
            AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'totals of account % change only by transfers and holds', OLD.code
            USING ERRCODE = 'restrict_violation';
    ELSIF (NEW.id, NEW.code, NEW.kind, NEW.normal, NEW.organization_id, NEW.enforced)
            IS DISTINCT FROM (OLD.id, OLD.code, OLD.kind, OLD.normal, OLD.organization_id, OLD.enforced) THEN
        RAISE EXCEPTION 'account % stays what it is', OLD.code USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

-- A statement's transfers are added to the wallets they touch, one UPDATE for all; the overdraft CHECK has the last word.
CREATE OR REPLACE FUNCTION billing_post_transfers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added t
        JOIN billing_account d ON d.id = t.debit_id
        JOIN billing_account c ON c.id = t.credit_id
        WHERE (t.debit_organization_id, t.credit_organization_id)
            IS DISTINCT FROM (d.organization_id, c.organization_id)
    ) THEN
        RAISE EXCEPTION 'a transfer names other organizations than its accounts do'
            USING ERRCODE = 'restrict_violation';
    END IF;

    UPDATE billing_account a
    SET debits_posted = a.debits_posted + moved.debits, credits_posted = a.credits_posted + moved.credits
    FROM (
        SELECT side.account_id, sum(side.debit)::bigint AS debits, sum(side.credit)::bigint AS credits
        FROM (
            SELECT debit_id AS account_id, amount AS debit, 0 AS credit FROM added
            UNION ALL
            SELECT credit_id, 0, amount FROM added
        ) side
        GROUP BY side.account_id
    ) moved
    WHERE a.id = moved.account_id AND a.enforced;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION billing_guard_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'open' THEN
            RAISE EXCEPTION 'hold % must start open', NEW.id USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF (NEW.id, NEW.organization_id, NEW.account_id, NEW.charge_id, NEW.parent_id, NEW.ancestors, NEW.opened_at)
            IS DISTINCT FROM (OLD.id, OLD.organization_id, OLD.account_id, OLD.charge_id, OLD.parent_id, OLD.ancestors,
                OLD.opened_at) THEN
        RAISE EXCEPTION 'hold % stays what it is', OLD.id USING ERRCODE = 'restrict_violation';
    ELSIF NEW.amount < OLD.amount THEN
        RAISE EXCEPTION 'the amount of hold % only grows', OLD.id USING ERRCODE = 'restrict_violation';
    ELSIF NOT (OLD.state = 'open' OR (OLD.state = 'expired' AND NEW.state = 'late')) THEN
        RAISE EXCEPTION 'hold % is % and stays so', OLD.id, OLD.state USING ERRCODE = 'restrict_violation';
    ELSIF OLD.state = 'open' AND NEW.state = 'late' THEN
        RAISE EXCEPTION 'hold % is still open: it cannot be late', OLD.id USING ERRCODE = 'restrict_violation';
    ELSIF NEW.amount <> OLD.amount AND NEW.state <> 'open' THEN
        RAISE EXCEPTION 'hold % does not grow while it ends', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION billing_reserve_new_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE billing_account a
    SET debits_pending = a.debits_pending + opened.amount
    FROM (SELECT n.account_id, sum(n.amount)::bigint AS amount FROM added n GROUP BY n.account_id) opened
    WHERE a.id = opened.account_id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION billing_reserve_changed_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM after n
        WHERE n.state IN ('settled', 'late') AND NOT EXISTS (SELECT FROM billing_settlement s WHERE s.hold_id = n.id)
    ) THEN
        RAISE EXCEPTION 'a hold is settled by its settlement only' USING ERRCODE = 'restrict_violation';
    END IF;

    UPDATE billing_account a
    SET debits_pending = a.debits_pending + changed.amount
    FROM (
        SELECT n.account_id,
            sum(CASE n.state WHEN 'open' THEN n.amount ELSE 0 END
                - CASE o.state WHEN 'open' THEN o.amount ELSE 0 END)::bigint AS amount
        FROM after n JOIN before o ON o.id = n.id
        GROUP BY n.account_id
    ) changed
    WHERE a.id = changed.account_id AND changed.amount <> 0;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION billing_guard_charge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.organization_id, NEW.run_id, NEW.parent_id, NEW.kind, NEW.beneficiary_id, NEW.idempotency_key,
            NEW.price_version_id, NEW.platform_credential, NEW.key_id, NEW.end_user, NEW.token_id, NEW.started_at)
        IS DISTINCT FROM (OLD.id, OLD.organization_id, OLD.run_id, OLD.parent_id, OLD.kind, OLD.beneficiary_id,
            OLD.idempotency_key, OLD.price_version_id, OLD.platform_credential, OLD.key_id, OLD.end_user, OLD.token_id,
            OLD.started_at)
    THEN
        RAISE EXCEPTION 'charge % stays what it is', OLD.id USING ERRCODE = 'restrict_violation';
    ELSIF OLD.status NOT IN ('authorized', 'orphaned') OR (OLD.status = 'orphaned' AND NEW.status = 'authorized') THEN
        RAISE EXCEPTION 'charge % is % and stays so', OLD.id, OLD.status USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

-- A published price has been promised: nothing about it changes, except that its successor ends it.
CREATE OR REPLACE FUNCTION billing_guard_price_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'draft' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.valid_to IS NULL
        AND (NEW.id, NEW.price_list_id, NEW.name, NEW.state, NEW.valid_from, NEW.created_by, NEW.published_by)
            IS NOT DISTINCT FROM
            (OLD.id, OLD.price_list_id, OLD.name, OLD.state, OLD.valid_from, OLD.created_by, OLD.published_by)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'price version % is published: publish another', OLD.name USING ERRCODE = 'restrict_violation';
END
$$;

CREATE OR REPLACE FUNCTION billing_guard_price_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM touched t JOIN billing_priceversion v ON v.id = t.version_id WHERE v.state <> 'draft'
    ) THEN
        RAISE EXCEPTION 'a published price version keeps its items: publish another'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;

-- Every organization has its accounts from the moment it exists, whoever made it.
CREATE OR REPLACE FUNCTION billing_open_accounts_of_new() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM billing_open_accounts(NEW.id);
    RETURN NULL;
END
$$;
