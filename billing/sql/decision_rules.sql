-- What no path may break in requests of people, grants and top-ups, whoever writes.

-- A request is decided once; what was asked never changes. The arguments of the trigger name what deciding may write.
CREATE OR REPLACE FUNCTION billing_guard_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'requested' OR to_jsonb(NEW) - TG_ARGV IS DISTINCT FROM to_jsonb(OLD) - TG_ARGV THEN
        RAISE EXCEPTION '% % stays what it is', TG_TABLE_NAME, OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

-- How much of a grant is used is the sum of its burns; only their trigger (depth 2) writes it.
CREATE OR REPLACE FUNCTION billing_guard_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.used <> OLD.used AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'grant % is used by its burns only', OLD.id USING ERRCODE = 'restrict_violation';
    ELSIF to_jsonb(NEW) - 'used' IS NOT DISTINCT FROM to_jsonb(OLD) - 'used' AND NEW.used > OLD.used THEN
        RETURN NEW;
    ELSIF OLD.state <> 'requested' OR to_jsonb(NEW) - TG_ARGV IS DISTINCT FROM to_jsonb(OLD) - TG_ARGV THEN
        RAISE EXCEPTION 'grant % stays what it is', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION billing_use_grants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added b JOIN billing_grant g ON g.id = b.grant_id
        WHERE b.kind = 'expired' AND coalesce(g.expires_at > now(), true)
    ) THEN
        RAISE EXCEPTION 'a grant expires when its time is over, and not before' USING ERRCODE = 'restrict_violation';
    END IF;
    UPDATE billing_grant g SET used = g.used + burnt.amount
    FROM (SELECT b.grant_id, sum(b.amount)::bigint AS amount FROM added b GROUP BY b.grant_id) burnt
    WHERE g.id = burnt.grant_id;
    RETURN NULL;
END
$$;

-- A top-up moves forward only. A payment that a bank took back may be ours again, when the bank says so; one that was
-- given up may have been made after all. What a gateway kept of it is said once.
CREATE OR REPLACE FUNCTION billing_guard_top_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    later text[] := ARRAY['looks', 'next_look_at', 'fee', 'fee_problem', 'fee_group_id'];
BEGIN
    IF to_jsonb(NEW) - TG_ARGV - later IS DISTINCT FROM to_jsonb(OLD) - TG_ARGV - later
        OR (OLD.external_id IS NOT NULL AND NEW.external_id IS DISTINCT FROM OLD.external_id)
        OR (OLD.payment_id IS NOT NULL AND NEW.payment_id IS DISTINCT FROM OLD.payment_id)
        OR (OLD.group_id IS NOT NULL AND NEW.group_id IS DISTINCT FROM OLD.group_id)
        OR (OLD.fee IS NOT NULL AND (NEW.fee, NEW.fee_group_id) IS DISTINCT FROM (OLD.fee, OLD.fee_group_id))
        OR (OLD.state NOT IN ('created', 'pending') AND NEW.state = OLD.state
            AND to_jsonb(NEW) - later - 'payment_id' <> to_jsonb(OLD) - later - 'payment_id')
        OR NOT (
            NEW.state = OLD.state
            OR OLD.state || '>' || NEW.state IN (
                'created>pending', 'created>failed', 'created>canceled', 'pending>credited', 'pending>failed',
                'pending>canceled', 'credited>canceled', 'credited>refunded', 'credited>disputed', 'disputed>credited'
            )
            OR (OLD.rail <> 'manual' AND OLD.group_id IS NULL
                AND OLD.state || '>' || NEW.state IN ('failed>credited', 'canceled>credited'))
        )
    THEN
        RAISE EXCEPTION 'top-up % is % and stays what it is', OLD.id, OLD.state USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
