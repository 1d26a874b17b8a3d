-- What no path may break about payment tokens, whoever writes.

-- A token stays what it was made; it ends once. A child never is more than its parent: not longer, not for others, not
-- deeper than one below it, and only of one that may have children and pays now.
CREATE OR REPLACE FUNCTION billing_guard_token() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    giver billing_paymenttoken;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF to_jsonb(NEW) - 'status' - 'ended_at' IS DISTINCT FROM to_jsonb(OLD) - 'status' - 'ended_at'
            OR OLD.status <> 'active'
        THEN
            RAISE EXCEPTION 'payment token % stays what it is', OLD.id USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.status <> 'active' THEN
        RAISE EXCEPTION 'payment token % must start active', NEW.id USING ERRCODE = 'restrict_violation';
    ELSIF NEW.parent_id IS NULL THEN
        RETURN NEW;
    END IF;

    SELECT t.* INTO giver FROM billing_paymenttoken t WHERE t.id = NEW.parent_id FOR SHARE;
    IF giver.status IS DISTINCT FROM 'active' OR NOT giver.redelegate OR giver.organization_id <> NEW.organization_id
        OR NEW.root_id <> giver.root_id OR NEW.depth <> giver.depth + 1
        OR NEW.not_before < giver.not_before OR NEW.expires_at > giver.expires_at
        OR (giver.audience IS NOT NULL AND (NEW.audience IS NULL OR NOT NEW.audience <@ giver.audience))
        OR (giver.max_per_call IS NOT NULL AND coalesce(NEW.max_per_call > giver.max_per_call, true))
    THEN
        RAISE EXCEPTION 'payment token % would be more than its parent', NEW.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

-- A use is charged only to a token that pays now. It waits for whoever ends the token at this moment, and the other way
-- round, so that what was charged before the end is seen by it, and nothing is charged after.
CREATE OR REPLACE FUNCTION billing_guard_token_use() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    payer billing_paymenttoken;
BEGIN
    SELECT t.* INTO payer FROM billing_paymenttoken t WHERE t.id = NEW.token_id FOR SHARE;
    IF payer.organization_id IS DISTINCT FROM NEW.organization_id OR payer.status <> 'active'
        OR payer.expires_at <= now() OR payer.not_before > now()
    THEN
        RAISE EXCEPTION 'payment token % pays for nothing now', NEW.token_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

-- The budget over the cap of a token is as good as the cap: it stays what it is until the token has ended.
CREATE OR REPLACE FUNCTION billing_guard_token_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM billing_paymenttoken t WHERE t.id = OLD.id AND t.status = 'active') THEN
        RAISE EXCEPTION 'budget % is the cap of a payment token and stays what it is', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
