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
        IF NEW.state <> 'open' OR NEW.child_reserved + NEW.child_spent <> 0 THEN
            RAISE EXCEPTION 'hold % must start open', NEW.id USING ERRCODE = 'restrict_violation';
        ELSIF NEW.parent_id IS NULL AND NEW.ancestors <> '{}' THEN
            RAISE EXCEPTION 'hold % has no parent, so nothing is above it', NEW.id USING ERRCODE = 'restrict_violation';
        ELSIF NEW.parent_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM billing_hold p
            WHERE p.id = NEW.parent_id AND p.ancestors || p.id = NEW.ancestors AND p.account_id = NEW.account_id
                AND p.state = 'open'
        ) THEN
            RAISE EXCEPTION 'hold % must be carved out of an open hold on the same wallet', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF (NEW.id, NEW.organization_id, NEW.account_id, NEW.charge_id, NEW.parent_id, NEW.ancestors, NEW.opened_at)
            IS DISTINCT FROM (OLD.id, OLD.organization_id, OLD.account_id, OLD.charge_id, OLD.parent_id, OLD.ancestors,
                OLD.opened_at) THEN
        RAISE EXCEPTION 'hold % stays what it is', OLD.id USING ERRCODE = 'restrict_violation';
    ELSIF NEW.amount < OLD.amount THEN
        RAISE EXCEPTION 'the amount of hold % only grows', OLD.id USING ERRCODE = 'restrict_violation';
    ELSIF (NEW.child_reserved, NEW.child_spent) IS DISTINCT FROM (OLD.child_reserved, OLD.child_spent)
            AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'what the children of hold % use changes only by them', OLD.id
            USING ERRCODE = 'restrict_violation';
    ELSIF OLD.state <> 'open' AND pg_trigger_depth() > 1 AND (NEW.state, NEW.amount) = (OLD.state, OLD.amount) THEN
        RETURN NEW;  -- only its children go on
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

-- What a hold without a parent reserves is set aside in its wallet, what a child reserves in its parent.
CREATE OR REPLACE FUNCTION billing_reserve_new_holds() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = on AS $$
BEGIN
    UPDATE billing_account a
    SET debits_pending = a.debits_pending + opened.amount
    FROM (
        SELECT n.account_id, sum(n.amount)::bigint AS amount FROM added n WHERE n.parent_id IS NULL
        GROUP BY n.account_id
    ) opened
    WHERE a.id = opened.account_id;

    IF EXISTS (SELECT FROM added n WHERE n.parent_id IS NOT NULL) THEN
        UPDATE billing_hold p
        SET child_reserved = p.child_reserved + carved.amount
        FROM (
            SELECT n.parent_id, sum(n.amount)::bigint AS amount FROM added n WHERE n.parent_id IS NOT NULL
            GROUP BY n.parent_id
        ) carved
        WHERE p.id = carved.parent_id;
    END IF;
    RETURN NULL;
END
$$;

-- Above a hold its amount is reserved, less what its children have spent; once it has ended, what its open children
-- still reserve. A change of that goes one step up: to the wallet and the budget windows, or to the parent, whose own
-- change then goes on from there. So does what was spent. What a child spent beyond its hold was never its parent's: the
-- wallet paid it, and only the windows hear of it.
CREATE OR REPLACE FUNCTION billing_reserve_changed_holds() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = on AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM after) THEN
        RETURN NULL;  -- a statement that changed nothing comes here as well, and there is nothing further up
    END IF;
    IF EXISTS (
        SELECT FROM after n
        WHERE n.state IN ('settled', 'late') AND NOT EXISTS (SELECT FROM billing_settlement s WHERE s.hold_id = n.id)
    ) THEN
        RAISE EXCEPTION 'a hold is settled by its settlement only' USING ERRCODE = 'restrict_violation';
    END IF;

    WITH changed AS MATERIALIZED (
        SELECT n.id, n.parent_id, n.account_id, coalesce(n.ancestors[1], n.id) AS root_id,
            CASE n.state WHEN 'open' THEN n.amount - n.child_spent ELSE n.child_reserved END
                - CASE o.state WHEN 'open' THEN o.amount - o.child_spent ELSE o.child_reserved END AS reserved,
            n.child_spent - o.child_spent + coalesce(s.charged - s.overrun, 0) AS spent,
            coalesce(s.overrun, 0) AS beyond
        FROM after n JOIN before o ON o.id = n.id
        LEFT JOIN billing_settlement s
            ON s.hold_id = n.id AND n.state IN ('settled', 'late') AND n.state IS DISTINCT FROM o.state
    ), wallets AS (
        UPDATE billing_account a SET debits_pending = a.debits_pending + c.reserved
        FROM (
            SELECT u.account_id, sum(u.reserved)::bigint AS reserved FROM changed u WHERE u.parent_id IS NULL
            GROUP BY u.account_id
        ) c
        WHERE a.id = c.account_id AND c.reserved <> 0
    ), windows AS (
        UPDATE billing_budgetwindow w SET held = w.held + c.reserved, spent = w.spent + c.spent
        FROM (
            SELECT b.window_id, coalesce(sum(u.reserved) FILTER (WHERE u.parent_id IS NULL), 0)::bigint AS reserved,
                (coalesce(sum(u.spent) FILTER (WHERE u.parent_id IS NULL), 0) + sum(u.beyond))::bigint AS spent
            FROM changed u JOIN billing_holdbudget b ON b.hold_id = u.root_id
            GROUP BY b.window_id
        ) c
        WHERE w.id = c.window_id AND (c.reserved, c.spent) <> (0, 0)
    )
    UPDATE billing_hold p SET child_reserved = p.child_reserved + c.reserved, child_spent = p.child_spent + c.spent
    FROM (
        SELECT u.parent_id, sum(u.reserved)::bigint AS reserved, sum(u.spent)::bigint AS spent
        FROM changed u WHERE u.parent_id IS NOT NULL GROUP BY u.parent_id
    ) c
    WHERE p.id = c.parent_id AND (c.reserved, c.spent) <> (0, 0);
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
