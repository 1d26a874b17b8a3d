-- What publishing a draft of prices would change, which of its prices look mistaken, and who may publish it.

-- The version that a draft is compared with: the one of its list that was published last.
CREATE OR REPLACE FUNCTION billing_price_base(draft bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT v.id FROM billing_priceversion v
    WHERE v.price_list_id = (SELECT d.price_list_id FROM billing_priceversion d WHERE d.id = draft)
        AND v.state = 'published' AND v.id <> draft
    ORDER BY v.valid_from DESC LIMIT 1
$$;

-- One row for every price that is new, gone or different. What was taken off the list and comes back is compared with
-- what it cost then, so that nothing gets past a comparison by being away for a while.
CREATE OR REPLACE FUNCTION billing_price_changes(draft bigint) RETURNS TABLE (
    model text, unit text, service_tier text, context_from int, old_price bigint, new_price bigint, earlier bigint
) LANGUAGE sql STABLE AS $$
    SELECT coalesce(n.model, o.model), coalesce(n.unit, o.unit), coalesce(n.service_tier, o.service_tier),
        coalesce(n.context_from, o.context_from), o.price, n.price, coalesce(o.price, (
            SELECT i.price FROM billing_priceitem i JOIN billing_priceversion v ON v.id = i.version_id
            WHERE v.price_list_id = (SELECT d.price_list_id FROM billing_priceversion d WHERE d.id = draft)
                AND v.state = 'published' AND v.id <> draft
                AND i.model = n.model AND i.unit = n.unit AND i.service_tier = n.service_tier
                AND i.context_from = n.context_from
            ORDER BY v.valid_from DESC LIMIT 1
        ))
    FROM (SELECT * FROM billing_priceitem WHERE version_id = draft) n
    FULL JOIN (SELECT * FROM billing_priceitem WHERE version_id = billing_price_base(draft)) o
        ON (o.model, o.unit, o.service_tier, o.context_from) = (n.model, n.unit, n.service_tier, n.context_from)
    WHERE o.price IS DISTINCT FROM n.price
$$;

-- Prices that look mistaken: more than five times, or less than a fifth of what they were; and where nobody knows what
-- they were, more than 1,000 dollars or less than a tenth of a cent per million of what there are many of, and more
-- than a dollar for one of what there are few of.
CREATE OR REPLACE FUNCTION billing_price_doubts(draft bigint) RETURNS TABLE (
    model text, unit text, service_tier text, context_from int, new_price bigint, earlier bigint, doubt text,
    is_accepted boolean
) LANGUAGE sql STABLE AS $$
    SELECT d.model, d.unit, d.service_tier, d.context_from, d.new_price, d.earlier, d.doubt, EXISTS (
        SELECT FROM billing_priceacceptance a
        WHERE a.version_id = draft AND a.price = d.new_price
            AND (a.model, a.unit, a.service_tier, a.context_from) = (d.model, d.unit, d.service_tier, d.context_from)
    )
    FROM (
        SELECT c.*, CASE
            WHEN c.earlier = 0 AND c.new_price > 0 THEN 'was_free'
            WHEN c.new_price > 5 * c.earlier THEN 'dearer'
            WHEN 5 * c.new_price < c.earlier THEN 'cheaper'
            WHEN c.earlier IS NOT NULL THEN NULL
            WHEN s.is_small AND c.new_price > 1000000000 THEN 'dear'
            WHEN s.is_small AND c.new_price BETWEEN 1 AND 999 THEN 'cheap'
            WHEN NOT s.is_small AND c.new_price > 1000000000000 THEN 'dear'
        END AS doubt
        FROM billing_price_changes(draft) c
        CROSS JOIN LATERAL (SELECT c.unit NOT IN (
            'search', 'image_in', 'image_out', 'second_in', 'second_out', 'page', 'request'
        ) AS is_small) s
        WHERE c.new_price IS NOT NULL AND c.unit <> 'basis_points'
    ) d
    WHERE d.doubt IS NOT NULL
$$;

-- Whether any price moves by more than a fifth: then whoever wrote the draft does not publish it.
CREATE OR REPLACE FUNCTION billing_price_needs_another(draft bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM billing_price_changes(draft) c WHERE 5 * abs(c.new_price - c.earlier) > c.earlier
    )
$$;

-- The rules hold for everybody but migrations, which bring the prices that a platform starts with.
CREATE OR REPLACE FUNCTION billing_guard_publication() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE doubtful bigint;
BEGIN
    IF current_user = 'robutler_owner' THEN
        RETURN NEW;
    END IF;
    SELECT count(*) INTO doubtful FROM billing_price_doubts(NEW.id) d WHERE NOT d.is_accepted;
    IF doubtful > 0 THEN
        RAISE EXCEPTION '% prices of % look mistaken: accept each with a reason, or drop it', doubtful, NEW.name
            USING ERRCODE = 'check_violation', CONSTRAINT = 'price_version_reviewed';
    END IF;
    IF (NEW.published_by = NEW.created_by OR NEW.published_by = ANY (NEW.editors))
        AND billing_price_needs_another(NEW.id)
    THEN
        RAISE EXCEPTION 'a price in % changes by more than 20 %%: somebody who did not write it publishes it', NEW.name
            USING ERRCODE = 'check_violation', CONSTRAINT = 'price_version_two_people';
    END IF;
    RETURN NEW;
END
$$;

-- Who wrote a draft stays written.
CREATE OR REPLACE FUNCTION billing_guard_price_authors() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'who wrote the prices of % does not change', OLD.name USING ERRCODE = 'restrict_violation';
END
$$;
