-- Payment tokens: minted, delegated, looked up by whoever was handed one, ended. Whoever adds to a tree or cuts it takes
-- its name first, so that no child appears while its parents end; uses take holds only, and read the token's row.

-- What a token is now. Whoever ends one ends all below it, and none outlives its parent: so its own row says it all.
CREATE OR REPLACE FUNCTION billing_token_state(token billing_paymenttoken) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE
        WHEN token.status <> 'active' THEN token.status::text
        WHEN token.expires_at <= now() THEN 'expired'
        WHEN token.not_before > now() THEN 'early'
        ELSE 'active'
    END;
$$;

-- Before a token is recognised nobody knows whose it is. One row at most, for an id that has to be known.
CREATE OR REPLACE FUNCTION billing_token_lookup(wanted text) RETURNS TABLE (
    id uuid, organization_id uuid, name text, public_id text, digest bytea, pepper_version integer, parent_id uuid,
    root_id uuid, depth integer, hold_id uuid, cap bigint, held bigint, spent bigint, max_per_call bigint,
    audience uuid[], audience_names text[], redelegate boolean, not_before timestamptz, expires_at timestamptz,
    state text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.id, t.organization_id, t.name, t.public_id, t.digest, t.pepper_version, t.parent_id, t.root_id, t.depth,
        t.hold_id, t.cap,
        coalesce(CASE WHEN t.hold_id IS NULL THEN w.held ELSE h.child_reserved END, 0)::bigint,
        coalesce(CASE WHEN t.hold_id IS NULL THEN w.spent ELSE h.child_spent END, 0)::bigint,
        t.max_per_call, t.audience, t.audience_names, t.redelegate, t.not_before, t.expires_at,
        CASE WHEN o.status = 'active' THEN billing_token_state(t) ELSE 'suspended' END
    FROM billing_paymenttoken t
    JOIN tenants_organization o ON o.id = t.organization_id
    LEFT JOIN billing_hold h ON h.id = t.hold_id
    LEFT JOIN billing_budgetwindow w ON w.budget_id = t.id
    WHERE t.public_id = wanted;
$$;

-- Once per id: asked for again it answers the same, asked for differently it says so. A child is carved out of the run
-- that mints it, as long as that holds anything, else out of its parent; only a root of an organization's own is not.
CREATE OR REPLACE FUNCTION billing_mint_token(
    id uuid, organization uuid, parent uuid, run uuid, name text, public_id text, digest bytea, pepper_version integer,
    last_four text, cap bigint, max_per_call bigint, audience uuid[], audience_names text[], redelegate boolean,
    starts_in interval, lifetime interval, most_depth integer, key_id uuid, actor text
) RETURNS TABLE (outcome text, available bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    giver billing_paymenttoken;
    known billing_paymenttoken;
    tree uuid;
    asking billing_charge;
    starts timestamptz := now() + starts_in;
    ends timestamptz := now() + starts_in + lifetime;
    reason text;
    place uuid;
    carved record;
BEGIN
    PERFORM billing_refuse_strangers('{}', ARRAY[organization]);
    SELECT t.root_id INTO tree FROM billing_paymenttoken t WHERE t.id = parent AND t.organization_id = organization;
    PERFORM billing_lock_tree(coalesce(tree, billing_mint_token.id));
    -- As it is now that nobody else ends it: it may have been waited for.
    SELECT t.* INTO giver FROM billing_paymenttoken t WHERE t.id = parent AND t.organization_id = organization;

    SELECT t.* INTO known FROM billing_paymenttoken t WHERE t.id = billing_mint_token.id;
    IF known.id IS NOT NULL THEN
        RETURN QUERY SELECT CASE
            WHEN (known.organization_id, known.parent_id, known.run_id, known.cap, known.redelegate, known.name)
                IS NOT DISTINCT FROM (organization, parent, run, billing_mint_token.cap, billing_mint_token.redelegate,
                    billing_mint_token.name)
                AND (known.audience IS NOT DISTINCT FROM audience OR parent IS NOT NULL AND audience IS NULL)
                AND (known.max_per_call IS NOT DISTINCT FROM max_per_call OR parent IS NOT NULL AND max_per_call IS NULL)
                THEN 'repeated'
            ELSE 'conflict'
        END, known.cap;
        RETURN;
    END IF;

    IF parent IS NOT NULL THEN
        reason := billing_token_forbids(giver, audience, max_per_call, CASE WHEN run IS NULL THEN ends END, most_depth);
        IF reason IS NOT NULL THEN
            RETURN QUERY SELECT reason, 0::bigint;
            RETURN;
        END IF;
        audience_names := CASE WHEN audience IS NULL THEN giver.audience_names ELSE audience_names END;
        audience := coalesce(audience, giver.audience);
        max_per_call := coalesce(max_per_call, CASE WHEN giver.max_per_call < cap THEN giver.max_per_call
            WHEN giver.max_per_call IS NOT NULL THEN cap END);
        -- What a run mints is over when its token is; who says it otherwise is told.
        ends := least(ends, giver.expires_at);
    END IF;

    IF parent IS NOT NULL OR run IS NOT NULL THEN
        SELECT h.id INTO place FROM billing_hold h WHERE h.id = run AND h.organization_id = organization;
        SELECT c.* INTO asking FROM billing_charge c WHERE c.id = run AND c.organization_id = organization;
        SELECT c.* INTO carved FROM billing_hold_many(ARRAY[billing_mint_token.id], ARRAY[organization],
            ARRAY[billing_mint_token.id], ARRAY[cap], ARRAY['token'], ARRAY['rb_pt_' || public_id],
            ARRAY[coalesce(place, giver.hold_id)], ARRAY[asking.agent_id], ARRAY[NULL::uuid], ARRAY[NULL::bigint],
            ARRAY[false], ARRAY[NULL::text], ARRAY[ceil(extract(epoch FROM ends - now()))::integer],
            ARRAY[asking.key_id], ARRAY[coalesce(asking.end_user, '')], ARRAY[parent]) c;
        IF carved.outcome <> 'held' THEN
            RETURN QUERY SELECT CASE
                WHEN carved.outcome <> 'insufficient' THEN carved.outcome
                WHEN carved.limited_by = 'hold' OR carved.budget_scope = 'token' THEN 'cap_exceeded'
                ELSE 'insufficient'
            END, carved.available;
            RETURN;
        END IF;
    ELSE
        PERFORM billing_set_budget(billing_mint_token.id, organization, 'token', billing_mint_token.id::text, 'total',
            'UTC', cap, 'hard', '{}', actor);
    END IF;

    INSERT INTO billing_paymenttoken (id, organization_id, name, public_id, digest, pepper_version, last_four,
        parent_id, root_id, depth, run_id, hold_id, cap, max_per_call, audience, audience_names, redelegate, not_before,
        expires_at, key_id, actor)
    VALUES (billing_mint_token.id, organization, name, public_id, digest, pepper_version, last_four, parent,
        coalesce(giver.root_id, billing_mint_token.id), coalesce(giver.depth + 1, 0), run,
        CASE WHEN parent IS NOT NULL OR run IS NOT NULL THEN billing_mint_token.id END, cap, max_per_call, audience,
        audience_names, redelegate, starts, ends, key_id, actor);
    RETURN QUERY SELECT 'minted', cap;
END
$$;

-- Why a token may not have such a child; nothing when it may.
CREATE OR REPLACE FUNCTION billing_token_forbids(
    giver billing_paymenttoken, audience uuid[], max_per_call bigint, ends timestamptz, most_depth integer
) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF giver.id IS NULL THEN
        RETURN 'unknown';
    ELSIF billing_token_state(giver) <> 'active' THEN
        RETURN billing_token_state(giver);
    ELSIF NOT giver.redelegate THEN
        RETURN 'not_redelegable';
    ELSIF giver.depth + 1 > most_depth THEN
        RETURN 'depth_exceeded';
    ELSIF ends > giver.expires_at THEN
        RETURN 'outlives';
    ELSIF audience IS NOT NULL AND NOT audience <@ coalesce(giver.audience, audience) THEN
        RETURN 'wrong_audience';
    ELSIF max_per_call > giver.max_per_call THEN
        RETURN 'max_per_call_exceeded';
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION billing_lock_tree(root uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('billing_token:' || root, 0));
$$;

-- End a token and all below it: nothing new is paid by them, what is under way runs to its end within what it has
-- reserved, the rest returns at once. Answers the ids of those that ended; every process hears of the revoked ones.
CREATE OR REPLACE FUNCTION billing_end_token(token uuid, how text) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first billing_paymenttoken;
    ended uuid[];
    holds uuid[];
BEGIN
    SELECT t.* INTO first FROM billing_paymenttoken t WHERE t.id = token;
    IF first.id IS NULL THEN
        RETURN;
    END IF;
    PERFORM billing_refuse_strangers('{}', ARRAY[first.organization_id]);
    PERFORM billing_lock_tree(first.root_id);

    WITH RECURSIVE tree AS (
        SELECT t.id, t.hold_id, t.status FROM billing_paymenttoken t WHERE t.id = token
        UNION ALL
        SELECT c.id, c.hold_id, c.status FROM billing_paymenttoken c JOIN tree ON c.parent_id = tree.id
    )
    SELECT array_agg(tree.id), array_agg(tree.hold_id) FILTER (WHERE h.state = 'open') INTO ended, holds
    FROM tree LEFT JOIN billing_hold h ON h.id = tree.hold_id
    WHERE tree.status = 'active';
    IF ended IS NULL THEN
        RETURN;
    END IF;

    PERFORM FROM billing_budget b WHERE b.id = ANY (ended) ORDER BY b.id FOR NO KEY UPDATE;
    -- A use takes windows before it takes the token's row: whoever came the other way would wait in a circle with it.
    PERFORM billing_lock(coalesce(holds, '{}'), array_fill(first.organization_id, ARRAY[cardinality(ended)]), '{}', '{}',
        '{}', '{}', ended);
    UPDATE billing_paymenttoken t SET status = how, ended_at = clock_timestamp() WHERE t.id = ANY (ended);
    IF holds IS NOT NULL THEN
        PERFORM billing_release_many(holds, array_fill('finished'::text, ARRAY[cardinality(holds)]));
    END IF;
    -- A token that is over needs no limit any more; what counts in its window goes on counting.
    PERFORM billing_end_budget(b.id, b.organization_id) FROM billing_budget b WHERE b.id = ANY (ended) AND b.active;
    IF how = 'revoked' THEN
        PERFORM pg_notify('robutler', 'token ' || e.id) FROM unnest(ended) e (id);
    END IF;
    RETURN QUERY SELECT unnest(ended);
END
$$;

-- End all tokens of an organization: whoever does so takes its wallet, if at all, afterwards.
CREATE OR REPLACE FUNCTION billing_end_tokens_of(organization uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    token uuid;
    trees uuid[] := ARRAY(
        SELECT DISTINCT t.root_id FROM billing_paymenttoken t
        WHERE t.organization_id = organization AND t.status = 'active' ORDER BY t.root_id
    );
BEGIN
    -- All trees before anything else: whoever ends one of them has it before it waits for the windows that we take.
    PERFORM billing_lock_tree(tree.id) FROM unnest(trees) tree (id);
    FOR token IN
        SELECT t.id FROM billing_paymenttoken t
        WHERE t.root_id = ANY (trees) AND t.status = 'active' ORDER BY t.depth, t.id
    LOOP
        PERFORM billing_end_token(token, 'revoked');
    END LOOP;
END
$$;

-- Tokens that are over though nobody ended them: their time is up, or the run that minted them has ended.
CREATE OR REPLACE FUNCTION billing_tokens_overdue(most integer) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT due.id FROM (
        (SELECT t.id FROM billing_paymenttoken t WHERE t.status = 'active' AND t.expires_at <= now()
            ORDER BY t.expires_at LIMIT most)
        UNION
        (SELECT t.id FROM billing_paymenttoken t JOIN billing_charge c ON c.id = t.run_id
            WHERE t.status = 'active' AND t.run_id IS NOT NULL AND c.status <> 'authorized' LIMIT most)
    ) due;
$$;

-- What somebody who works outside of this platform has reserved of a token, as long as it is who asks that earns by it.
CREATE OR REPLACE FUNCTION billing_token_use(use uuid, beneficiary uuid) RETURNS TABLE (
    organization_id uuid, token_id uuid, public_id text, amount bigint, state text, expires_at timestamptz,
    charged bigint, asked bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.organization_id, c.token_id, t.public_id, h.amount, h.state, h.expires_at, s.charged, s.markup + s.fee
    FROM billing_charge c
    JOIN billing_hold h ON h.charge_id = c.id
    JOIN billing_paymenttoken t ON t.id = c.token_id
    LEFT JOIN billing_settlement s ON s.hold_id = h.id
    WHERE c.id = use AND c.kind = 'tool' AND c.beneficiary_id = beneficiary;
$$;

-- Take what such work came to, once, and never more than was reserved; for nothing it is given back. What has expired is
-- over: others may have spent it by now.
CREATE OR REPLACE FUNCTION billing_capture_use(use uuid, beneficiary uuid, markup bigint, fee bigint, lines jsonb)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found record;
    asked bigint := markup + fee;
BEGIN
    PERFORM billing_lock(ARRAY[use], '{}', '{}', '{}', '{}', '{}', '{}');
    SELECT u.* INTO found FROM billing_token_use(use, beneficiary) u;
    IF found.state IS NULL THEN
        RETURN 'unknown';
    ELSIF found.state = 'settled' THEN
        RETURN CASE WHEN found.asked = asked THEN 'captured' ELSE 'already_captured' END;
    ELSIF found.state = 'released' AND asked = 0 THEN
        RETURN 'captured';
    ELSIF found.state <> 'open' THEN
        RETURN 'closed';
    ELSIF asked > found.amount THEN
        RETURN 'exceeds';
    ELSIF asked = 0 THEN
        PERFORM billing_release_many(ARRAY[use], ARRAY['finished']);
    ELSE
        PERFORM billing_settle_many(ARRAY[use], ARRAY[0::bigint], ARRAY[markup], ARRAY[fee], ARRAY[false],
            ARRAY['provider'], ARRAY['finished'], ARRAY['stop'], ARRAY[lines]);
    END IF;
    RETURN 'captured';
END
$$;

-- A token has refused what it could not pay: whose money it is hears of it once, if it listens.
CREATE OR REPLACE FUNCTION billing_tell_of_token(token uuid, required bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM billing_tell(t.organization_id, 'token.exhausted', 'token.exhausted:' || t.id, jsonb_build_object(
        'payment_token_id', t.id, 'name', t.name, 'cap_nanos', t.cap::text, 'held_nanos', t.held::text,
        'spent_nanos', t.spent::text, 'required_nanos', required::text))
    FROM (SELECT p.public_id AS text FROM billing_paymenttoken p WHERE p.id = token) known
    CROSS JOIN LATERAL billing_token_lookup(known.text) t;
END
$$;
