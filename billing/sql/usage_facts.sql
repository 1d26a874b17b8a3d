-- What each settlement, and each loss without a hold, came to: one row each. Rollups add these up and pages list them, so
-- that both say the same.

CREATE OR REPLACE VIEW billing_usagefact WITH (security_invoker = true) AS
SELECT s.hold_id AS id, s.number, NULL::bigint AS transfer, s.created_at AS at, s.organization_id, s.beneficiary_id,
    c.id AS charge_id, c.agent_id, c.reference, ''::text AS model, NULL::uuid AS key_id, s.source,
    0::bigint AS input_tokens, 0::bigint AS output_tokens,
    s.charged, s.cost, CASE WHEN s.platform_credential THEN s.cost ELSE 0 END AS own_cost, s.markup, s.fee,
    s.creator_share, s.platform_share, s.loss, CASE s.source WHEN 'provider' THEN 0 ELSE s.charged END AS estimated
FROM billing_settlement s
JOIN billing_hold h ON h.id = s.hold_id
JOIN billing_charge c ON c.id = h.charge_id
UNION ALL
SELECT c.id, NULL, t.id, t.created_at, g.organization_id, c.beneficiary_id,
    c.id, c.agent_id, c.reference, '', NULL, '',
    0, 0,
    0, t.amount, t.amount, 0, 0,
    0, 0, t.amount, 0
FROM billing_transfergroup g
JOIN billing_transfer t ON t.group_id = g.id
JOIN billing_charge c ON c.id = g.charge_id
WHERE g.kind = 'unheld_loss';
