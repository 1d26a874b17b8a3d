-- What each settlement, and each loss without a hold, came to: one row each. Rollups add these up and pages list them, so
-- that both say the same. A run that asked several models counts with the one that cost most.

CREATE OR REPLACE VIEW billing_usagefact WITH (security_invoker = true) AS
SELECT s.hold_id AS id, s.number, NULL::bigint AS transfer, s.created_at AS at, s.organization_id, s.beneficiary_id,
    c.id AS charge_id, c.agent_id, c.reference, coalesce(used.model, '')::text AS model, c.key_id, s.source,
    coalesce(used.input_tokens, 0)::bigint AS input_tokens, coalesce(used.output_tokens, 0)::bigint AS output_tokens,
    s.charged, s.cost, CASE WHEN s.platform_credential THEN s.cost ELSE 0 END AS own_cost, s.markup, s.fee,
    s.creator_share, s.platform_share, s.loss, CASE s.source WHEN 'provider' THEN 0 ELSE s.charged END AS estimated
FROM billing_settlement s
JOIN billing_hold h ON h.id = s.hold_id
JOIN billing_charge c ON c.id = h.charge_id
LEFT JOIN LATERAL (
    SELECT (array_agg(m.sku ORDER BY m.amount DESC, m.sku))[1] AS model, sum(m.input_tokens) AS input_tokens,
        sum(m.output_tokens) AS output_tokens
    FROM (
        SELECT l.sku, sum(l.amount_pico) AS amount,
            sum(l.quantity) FILTER (WHERE l.unit IN ('input', 'cached_input', 'cache_write', 'cache_write_1h',
                'input_audio', 'input_image')) AS input_tokens,
            sum(l.quantity) FILTER (WHERE l.unit IN ('output', 'reasoning', 'output_audio', 'output_image'))
                AS output_tokens
        FROM billing_usageline l
        WHERE l.charge_id = c.id AND l.part = 'cost' AND l.reason <> 'retry'
        GROUP BY l.sku
    ) m
) used ON true
UNION ALL
SELECT c.id, NULL, t.id, t.created_at, g.organization_id, c.beneficiary_id,
    c.id, c.agent_id, c.reference, '', c.key_id, '',
    0, 0,
    0, t.amount, t.amount, 0, 0,
    0, 0, t.amount, 0
FROM billing_transfergroup g
JOIN billing_transfer t ON t.group_id = g.id
JOIN billing_charge c ON c.id = g.charge_id
WHERE g.kind = 'unheld_loss';
