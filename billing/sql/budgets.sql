-- Budgets: limits on what is spent within a period, by an organization, a key, an agent, an end user or a payment token.
-- A hold without a parent counts in the windows of its time, and so does whatever is carved out of it. A new period is a
-- new window: nothing is ever reset.

-- Windows that holds of these would count in now, if they are there, with the room that hard ones have left.
CREATE OR REPLACE FUNCTION billing_windows_for(
    organization_ids uuid[], key_ids uuid[], agent_ids uuid[], end_users text[], token_ids uuid[]
) RETURNS TABLE (item integer, window_id bigint, room bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF NOT billing_have_budgets(organization_ids) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT m.item, w.id, CASE WHEN w.allowed IS NOT NULL THEN w."limit" - w.held - w.spent END
    FROM billing_budgets_for(organization_ids, key_ids, agent_ids, end_users, token_ids) m
    CROSS JOIN LATERAL (
        SELECT latest.* FROM billing_budgetwindow latest
        WHERE latest.budget_id = m.budget_id AND latest.starts_at <= now() ORDER BY latest.starts_at DESC LIMIT 1
    ) w
    WHERE w.ends_at IS NULL OR w.ends_at > now();
END
$$;

CREATE OR REPLACE FUNCTION billing_have_budgets(organization_ids uuid[]) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off AS $$
BEGIN
    RETURN EXISTS (SELECT FROM billing_budget b WHERE b.organization_id = ANY (organization_ids) AND b.active);
END
$$;

-- The budgets that each of these counts against.
CREATE OR REPLACE FUNCTION billing_budgets_for(
    organization_ids uuid[], key_ids uuid[], agent_ids uuid[], end_users text[], token_ids uuid[]
) RETURNS TABLE (item integer, budget_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    RETURN QUERY
    SELECT u.i::integer, b.id
    FROM unnest(organization_ids, key_ids, agent_ids, end_users, token_ids)
        WITH ORDINALITY AS u (organization_id, key_id, agent_id, end_user, token_id, i)
    CROSS JOIN LATERAL (VALUES
        ('organization', ''), ('key', u.key_id::text), ('agent', u.agent_id::text), ('end_user', u.end_user),
        ('token', u.token_id::text)
    ) AS whose (scope, subject)
    JOIN billing_budget b ON b.organization_id = u.organization_id AND b.scope = whose.scope
        AND b.subject = whose.subject AND b.active;
END
$$;

-- Lock the windows that these holds count in, and those that new holds of these will; made on their first use.
CREATE OR REPLACE FUNCTION billing_lock_windows(
    hold_ids uuid[], organization_ids uuid[], key_ids uuid[], agent_ids uuid[], end_users text[], token_ids uuid[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    windows bigint[] := ARRAY(SELECT b.window_id FROM billing_holdbudget b WHERE b.hold_id = ANY (hold_ids));
    missing uuid[];
BEGIN
    IF billing_have_budgets(organization_ids) THEN
        missing := ARRAY(
            SELECT DISTINCT m.budget_id
            FROM billing_budgets_for(organization_ids, key_ids, agent_ids, end_users, token_ids) m
            WHERE NOT EXISTS (
                SELECT FROM billing_budgetwindow w
                WHERE w.budget_id = m.budget_id AND (w.ends_at IS NULL OR w.ends_at > now())
            )
        );
        -- A limit that is being changed is waited for: a window must not begin with the old one.
        PERFORM FROM billing_budget b WHERE b.id = ANY (missing) ORDER BY b.id FOR SHARE;
        INSERT INTO billing_budgetwindow (organization_id, budget_id, starts_at, ends_at, "limit", allowed)
        SELECT b.organization_id, b.id, p.starts_at, p.ends_at, b."limit", CASE b.mode WHEN 'hard' THEN b."limit" END
        FROM billing_budget b CROSS JOIN LATERAL billing_period(b.period, b.time_zone, b.created_at, now()) p
        WHERE b.id = ANY (missing) AND b.active
        ORDER BY b.id
        ON CONFLICT DO NOTHING;
        windows := windows || ARRAY(
            SELECT w.window_id
            FROM billing_windows_for(organization_ids, key_ids, agent_ids, end_users, token_ids) w
        );
    END IF;
    PERFORM FROM billing_budgetwindow w WHERE w.id = ANY (windows) ORDER BY w.id FOR NO KEY UPDATE;
END
$$;

-- The period around a moment, by the calendar of a time zone. A day may have 23 hours or 25; weeks begin on Mondays.
CREATE OR REPLACE FUNCTION billing_period(period text, time_zone text, since timestamptz, at timestamptz)
RETURNS TABLE (starts_at timestamptz, ends_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    began timestamp;
BEGIN
    IF period = 'total' THEN
        RETURN QUERY SELECT since, NULL::timestamptz;
        RETURN;
    END IF;
    began := date_trunc(period, at AT TIME ZONE time_zone);
    RETURN QUERY SELECT began AT TIME ZONE time_zone, (began + ('1 ' || period)::interval) AT TIME ZONE time_zone;
END
$$;

-- From now on what these holds reserve and spend counts in the windows of this moment.
CREATE OR REPLACE FUNCTION billing_bind_holds(hold_ids uuid[], organization_ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF NOT billing_have_budgets(organization_ids) THEN
        RETURN;
    END IF;
    INSERT INTO billing_holdbudget (organization_id, hold_id, window_id)
    SELECT asked.organization_ids[w.item], asked.ids[w.item], w.window_id
    FROM (
        SELECT array_agg(h.id) AS ids, array_agg(h.organization_id) AS organization_ids, array_agg(c.key_id) AS keys,
            array_agg(c.agent_id) AS agents, array_agg(c.end_user::text) AS users, array_agg(c.token_id) AS tokens
        FROM billing_hold h JOIN billing_charge c ON c.id = h.charge_id
        WHERE h.id = ANY (hold_ids) AND h.parent_id IS NULL
    ) asked
    CROSS JOIN LATERAL billing_windows_for(asked.organization_ids, asked.keys, asked.agents, asked.users,
        asked.tokens) w;
END
$$;

-- Which limit left the least: the hold to be carved out of, or else the wallet and the windows. `held` is how much more
-- there will be when what others have reserved is given back.
CREATE OR REPLACE FUNCTION billing_tightest(inside uuid, account bigint, window_ids bigint[])
RETURNS TABLE (
    limited_by text, available bigint, held bigint, budget_id uuid, budget_scope text, budget_limit bigint,
    budget_spent bigint, resets_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    RETURN QUERY
    SELECT * FROM (
        SELECT 'wallet' AS by, a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending AS room,
            a.debits_pending, NULL::uuid, NULL::text, NULL::bigint, NULL::bigint, NULL::timestamptz
        FROM billing_account a WHERE a.id = account AND inside IS NULL
        UNION ALL
        SELECT 'hold', CASE p.state WHEN 'open' THEN p.amount - p.child_spent - p.child_reserved ELSE 0 END,
            CASE p.state WHEN 'open' THEN p.child_reserved ELSE 0 END, NULL, NULL, NULL, NULL, NULL
        FROM billing_hold p WHERE p.id = inside
        UNION ALL
        SELECT 'budget', greatest(w."limit" - w.held - w.spent, 0),
            greatest(w."limit" - w.spent, 0) - greatest(w."limit" - w.held - w.spent, 0),
            b.id, b.scope::text, w."limit", w.spent, w.ends_at
        FROM billing_budgetwindow w JOIN billing_budget b ON b.id = w.budget_id
        WHERE w.id = ANY (window_ids) AND w.allowed IS NOT NULL AND inside IS NULL
    ) pot
    ORDER BY pot.room, pot.by DESC LIMIT 1;
END
$$;

-- Set a budget, or change its limit, mode and alerts; whom and which time it is for stays as it was first set. What is
-- reserved and spent already stays too: with a lower limit nothing more fits until there is room again.
CREATE OR REPLACE FUNCTION billing_set_budget(
    id uuid, organization uuid, scope text, subject text, period text, time_zone text, "limit" bigint, mode text,
    alert_percents integer[], actor text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    known billing_budget;
BEGIN
    PERFORM billing_refuse_strangers('{}', ARRAY[organization]);
    -- Who opens holds meanwhile has looked for budgets before it took locks, and must not meet another one afterwards.
    PERFORM pg_advisory_xact_lock(hashtextextended('billing_budgets:' || organization, 0));
    BEGIN
        PERFORM now() AT TIME ZONE billing_set_budget.time_zone;
    EXCEPTION WHEN invalid_parameter_value THEN
        RETURN 'unknown_time_zone';
    END;

    INSERT INTO billing_budget (id, organization_id, scope, subject, period, time_zone, "limit", mode, alert_percents,
        set_by)
    VALUES (billing_set_budget.id, organization, billing_set_budget.scope, billing_set_budget.subject,
        billing_set_budget.period, billing_set_budget.time_zone, billing_set_budget."limit", billing_set_budget.mode,
        billing_set_budget.alert_percents, actor)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN 'set';
    END IF;

    SELECT b.* INTO known FROM billing_budget b WHERE b.id = billing_set_budget.id FOR NO KEY UPDATE;
    IF NOT known.active OR (known.organization_id, known.scope::text, known.subject::text, known.period::text,
            known.time_zone::text) IS DISTINCT FROM (organization, billing_set_budget.scope,
            billing_set_budget.subject, billing_set_budget.period, billing_set_budget.time_zone) THEN
        RETURN 'conflict';
    END IF;
    UPDATE billing_budget b
    SET "limit" = billing_set_budget."limit", mode = billing_set_budget.mode,
        alert_percents = billing_set_budget.alert_percents, set_by = actor
    WHERE b.id = billing_set_budget.id;
    UPDATE billing_budgetwindow w
    SET "limit" = billing_set_budget."limit",
        allowed = CASE billing_set_budget.mode WHEN 'hard' THEN greatest(billing_set_budget."limit", w.held + w.spent) END
    WHERE w.budget_id = billing_set_budget.id AND (w.ends_at IS NULL OR w.ends_at > now());
    RETURN 'set';
END
$$;

-- A budget that has ended refuses nothing more; what counts in its windows goes on counting.
CREATE OR REPLACE FUNCTION billing_end_budget(id uuid, organization uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM billing_refuse_strangers('{}', ARRAY[organization]);
    UPDATE billing_budget b SET active = false
    WHERE b.id = billing_end_budget.id AND b.organization_id = organization;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    PERFORM FROM billing_budgetwindow w WHERE w.budget_id = billing_end_budget.id ORDER BY w.id FOR NO KEY UPDATE;
    UPDATE billing_budgetwindow w SET allowed = NULL
    WHERE w.budget_id = billing_end_budget.id AND w.allowed IS NOT NULL;
    RETURN 'ended';
END
$$;

CREATE OR REPLACE FUNCTION billing_guard_window() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.organization_id, NEW.budget_id, NEW.starts_at, NEW.ends_at)
            IS DISTINCT FROM (OLD.id, OLD.organization_id, OLD.budget_id, OLD.starts_at, OLD.ends_at) THEN
        RAISE EXCEPTION 'window % stays what it is', OLD.id USING ERRCODE = 'restrict_violation';
    ELSIF (NEW.held, NEW.spent) IS DISTINCT FROM (OLD.held, OLD.spent) AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'what counts in window % changes only by holds', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION billing_guard_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.organization_id, NEW.scope, NEW.subject, NEW.period, NEW.time_zone, NEW.created_at)
            IS DISTINCT FROM (OLD.id, OLD.organization_id, OLD.scope, OLD.subject, OLD.period, OLD.time_zone,
                OLD.created_at)
            OR NEW.active AND NOT OLD.active THEN
        RAISE EXCEPTION 'budget % stays what it is', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

-- A hold that is bound to a window reserves there what it reserves of the wallet.
CREATE OR REPLACE FUNCTION billing_count_bound_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added b JOIN billing_hold h ON h.id = b.hold_id
        WHERE h.parent_id IS NOT NULL OR h.state <> 'open' OR h.child_spent > 0
    ) THEN
        RAISE EXCEPTION 'a hold is bound to its windows when it is opened, and a child by its root'
            USING ERRCODE = 'restrict_violation';
    END IF;
    UPDATE billing_budgetwindow w SET held = w.held + bound.amount
    FROM (
        SELECT b.window_id, sum(h.amount)::bigint AS amount
        FROM added b JOIN billing_hold h ON h.id = b.hold_id GROUP BY b.window_id
    ) bound
    WHERE w.id = bound.window_id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER guard BEFORE UPDATE ON billing_budgetwindow
    FOR EACH ROW EXECUTE FUNCTION billing_guard_window();
CREATE OR REPLACE TRIGGER guard BEFORE UPDATE ON billing_budget
    FOR EACH ROW EXECUTE FUNCTION billing_guard_budget();
CREATE OR REPLACE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_budget
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE OR REPLACE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_budgetwindow
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_holdbudget
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE OR REPLACE TRIGGER count AFTER INSERT ON billing_holdbudget REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION billing_count_bound_holds();

-- Warn of windows in which a share was reached that their budget names: once for each window and share.
CREATE OR REPLACE FUNCTION billing_warn_of_budgets() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    reached record;
    warned integer := 0;
BEGIN
    FOR reached IN
        INSERT INTO billing_budgetalert AS a (organization_id, window_id, percent)
        SELECT w.organization_id, w.id, p.percent
        FROM billing_budget b
        JOIN billing_budgetwindow w ON w.budget_id = b.id AND (w.ends_at IS NULL OR w.ends_at > now())
        CROSS JOIN LATERAL unnest(b.alert_percents) AS p (percent)
        WHERE b.active AND b.scope <> 'token' AND w."limit" > 0
            AND (w.held + w.spent)::numeric * 100 >= w."limit"::numeric * p.percent
        ON CONFLICT DO NOTHING
        RETURNING a.organization_id, a.window_id, a.percent
    LOOP
        PERFORM billing_tell(reached.organization_id, 'budget.threshold',
            'budget.threshold:' || reached.window_id || ':' || reached.percent,
            (SELECT jsonb_build_object('budget_id', b.id, 'scope', b.scope, 'subject', b.subject,
                'percent', reached.percent, 'mode', b.mode, 'period', b.period, 'time_zone', b.time_zone,
                'limit_nanos', w."limit"::text, 'used_nanos', (w.held + w.spent)::text, 'starts_at', w.starts_at,
                'resets_at', w.ends_at)
             FROM billing_budgetwindow w JOIN billing_budget b ON b.id = w.budget_id WHERE w.id = reached.window_id));
        warned := warned + 1;
    END LOOP;
    RETURN warned;
END
$$;
