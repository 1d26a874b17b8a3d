-- What must hold in the books: each line counts what breaks it, and must say 0.

WITH moved AS (
    SELECT side.account_id, sum(side.debit) AS debits, sum(side.credit) AS credits
    FROM (
        SELECT debit_id AS account_id, amount AS debit, 0 AS credit FROM billing_transfer
        UNION ALL
        SELECT credit_id, 0, amount FROM billing_transfer
    ) side
    GROUP BY side.account_id
), reserved AS (
    SELECT account_id, sum(CASE state WHEN 'open' THEN amount - child_spent ELSE child_reserved END) AS pending
    FROM billing_hold WHERE parent_id IS NULL AND (state = 'open' OR child_reserved > 0) GROUP BY account_id
)
SELECT 'debits equal credits', abs(coalesce(sum(m.debits - m.credits), 0))::bigint FROM moved m
UNION ALL
SELECT 'no wallet is overdrawn', count(*) FROM billing_account
WHERE enforced AND credits_posted + credit_limit - debits_posted - debits_pending < 0
UNION ALL
SELECT 'wallet totals are the sums of their transfers', count(*)
FROM billing_account a LEFT JOIN moved m ON m.account_id = a.id
WHERE a.enforced AND (a.debits_posted, a.credits_posted)
    IS DISTINCT FROM (coalesce(m.debits, 0)::bigint, coalesce(m.credits, 0)::bigint)
UNION ALL
SELECT 'pending is the sum of open holds', count(*)
FROM billing_account a LEFT JOIN reserved r ON r.account_id = a.id
WHERE a.debits_pending <> coalesce(r.pending, 0)
UNION ALL
SELECT 'a hold is settled if and only if it has a settlement', count(*)
FROM billing_hold h LEFT JOIN billing_settlement s ON s.hold_id = h.id
WHERE (h.state IN ('settled', 'late')) <> (s.hold_id IS NOT NULL) OR s.late <> (h.state = 'late')
UNION ALL
SELECT 'a settlement took from the wallet what it charged', count(*)
FROM billing_settlement s
JOIN billing_hold h ON h.id = s.hold_id
LEFT JOIN LATERAL (
    SELECT coalesce(sum(t.amount), 0) AS taken
    FROM billing_transfergroup g JOIN billing_transfer t ON t.group_id = g.id
    WHERE g.hold_id = s.hold_id AND t.debit_id = h.account_id
) wallet ON true
WHERE wallet.taken <> s.charged
UNION ALL
SELECT 'the provider is owed what its work cost', count(*)
FROM billing_settlement s
LEFT JOIN LATERAL (
    SELECT coalesce(sum(t.amount), 0) AS owed, coalesce(sum(t.amount) FILTER (WHERE d.kind = 'overrun_loss'), 0) AS lost
    FROM billing_transfergroup g
    JOIN billing_transfer t ON t.group_id = g.id
    JOIN billing_account c ON c.id = t.credit_id AND c.kind = 'provider_payable'
    JOIN billing_account d ON d.id = t.debit_id
    WHERE g.hold_id = s.hold_id
) provider ON true
WHERE (provider.owed, provider.lost)
    IS DISTINCT FROM (CASE WHEN s.platform_credential THEN s.cost ELSE 0 END::numeric, s.loss::numeric)
UNION ALL
SELECT 'a charge stays within the hold and what the wallet gave beyond', count(*)
FROM billing_settlement s JOIN billing_hold h ON h.id = s.hold_id
WHERE s.charged > s.reserved + s.overrun
    OR CASE h.state WHEN 'settled' THEN s.reserved + h.child_spent + h.child_reserved > h.amount ELSE s.reserved <> 0 END
UNION ALL
SELECT 'beyond its hold a charge pays the platform''s own cost only', count(*)
FROM billing_settlement s JOIN billing_hold h ON h.id = s.hold_id
WHERE s.charged > greatest(h.amount, CASE WHEN s.platform_credential THEN s.cost ELSE 0 END)
    OR s.creator_share > h.amount
UNION ALL
SELECT 'the billable lines of a bill are what was asked for', count(*)
FROM (
    SELECT l.hold_id,
        ceil(coalesce(sum(l.amount_pico) FILTER (WHERE l.part = 'cost' AND l.billable), 0) / 1000) AS cost,
        ceil(coalesce(sum(l.amount_pico) FILTER (WHERE l.part = 'markup' AND l.billable), 0) / 1000) AS markup,
        ceil(coalesce(sum(l.amount_pico) FILTER (WHERE l.part = 'fee' AND l.billable), 0) / 1000) AS fee
    FROM billing_usageline l
    WHERE l.hold_id IS NOT NULL
    GROUP BY l.hold_id
) bill
LEFT JOIN billing_settlement s ON s.hold_id = bill.hold_id
WHERE (bill.cost, bill.markup, bill.fee) IS DISTINCT FROM (s.cost::numeric, s.markup::numeric, s.fee::numeric)
UNION ALL
SELECT 'no group of transfers is empty', count(*)
FROM billing_transfergroup g WHERE NOT EXISTS (SELECT FROM billing_transfer t WHERE t.group_id = g.id)
UNION ALL
SELECT 'no open hold has outlived its time', count(*)
FROM billing_hold WHERE state = 'open' AND expires_at < now() - interval '2 minutes'
UNION ALL
SELECT 'charges end when their holds do', count(*)
FROM billing_charge c JOIN billing_hold h ON h.charge_id = c.id
WHERE (h.state = 'open') <> (c.status = 'authorized')
UNION ALL
SELECT 'transfers name the organizations of their accounts', count(*)
FROM billing_transfer t
JOIN billing_account d ON d.id = t.debit_id
JOIN billing_account c ON c.id = t.credit_id
WHERE (t.debit_organization_id, t.credit_organization_id) IS DISTINCT FROM (d.organization_id, c.organization_id)
UNION ALL
SELECT 'every top-up credited its wallet', count(*)
FROM billing_topup u
WHERE u.group_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM billing_transfer t JOIN billing_account a ON a.id = t.credit_id
    WHERE t.group_id = u.group_id AND t.amount = u.amount AND a.kind = 'wallet'
        AND a.organization_id = u.organization_id
)
UNION ALL
SELECT 'what a payment cost is booked as the gateway said', count(*)
FROM billing_topup u
WHERE coalesce(u.fee, 0) IS DISTINCT FROM coalesce((
    SELECT sum(t.amount) FROM billing_transfer t JOIN billing_account a ON a.id = t.debit_id
    WHERE t.group_id = u.fee_group_id AND a.kind = 'payment_fees'
), 0)
UNION ALL
SELECT 'what children use of a hold is what they reserve and have spent', count(*)
FROM billing_hold p
LEFT JOIN LATERAL (
    SELECT sum(CASE c.state WHEN 'open' THEN c.amount - c.child_spent ELSE c.child_reserved END) AS reserved,
        sum(c.child_spent + coalesce(s.charged - s.overrun, 0)) AS spent
    FROM billing_hold c LEFT JOIN billing_settlement s ON s.hold_id = c.id
    WHERE c.parent_id = p.id
) child ON true
WHERE (p.child_reserved, p.child_spent) <> (coalesce(child.reserved, 0), coalesce(child.spent, 0))
UNION ALL
SELECT 'a tree of holds stays on one wallet', count(*)
FROM billing_hold c LEFT JOIN billing_hold p ON p.id = c.parent_id
WHERE c.account_id <> p.account_id OR c.ancestors <> CASE WHEN p.id IS NULL THEN '{}' ELSE p.ancestors || p.id END
UNION ALL
SELECT 'no budget is exceeded', count(*) FROM billing_budgetwindow WHERE held + spent > allowed
UNION ALL
SELECT 'what counts in a budget''s window is what its holds reserve and have spent', count(*)
FROM billing_budgetwindow w
LEFT JOIN LATERAL (
    SELECT sum(CASE h.state WHEN 'open' THEN h.amount - h.child_spent ELSE h.child_reserved END) AS held,
        sum(h.child_spent + coalesce(s.charged - s.overrun, 0)) AS spent
    FROM billing_holdbudget b JOIN billing_hold h ON h.id = b.hold_id LEFT JOIN billing_settlement s ON s.hold_id = h.id
    WHERE b.window_id = w.id
) root ON true
LEFT JOIN LATERAL (
    SELECT sum(s.overrun) AS beyond
    FROM billing_holdbudget b
    JOIN billing_hold h ON h.id = b.hold_id OR h.ancestors[1] = b.hold_id
    JOIN billing_settlement s ON s.hold_id = h.id AND s.overrun > 0
    WHERE b.window_id = w.id
) over ON true
WHERE (w.held, w.spent) <> (coalesce(root.held, 0), coalesce(root.spent, 0) + coalesce(over.beyond, 0))
UNION ALL
SELECT 'refunds of a charge stay within it', count(*)
FROM (
    SELECT s.hold_id FROM billing_settlement s JOIN billing_refund r ON r.hold_id = s.hold_id
    WHERE r.state = 'made' AND NOT EXISTS (SELECT FROM billing_transfergroup v WHERE v.reverses_id = r.group_id)
    GROUP BY s.hold_id, s.charged, s.creator_share
    HAVING sum(r.amount) > s.charged OR sum(r.from_earnings + r.from_clawback) > s.creator_share
) beyond
UNION ALL
SELECT 'a refund gave the wallet what it says', count(*)
FROM billing_refund r
WHERE r.state = 'made' AND r.amount IS DISTINCT FROM (
    SELECT sum(t.amount) FROM billing_transfer t JOIN billing_account a ON a.id = t.credit_id
    WHERE t.group_id = r.group_id AND a.kind = 'wallet' AND a.organization_id = r.organization_id
)
UNION ALL
SELECT 'grants are used as far as their burns say', count(*)
FROM billing_grant g
WHERE g.used <> (SELECT coalesce(sum(b.amount), 0) FROM billing_grantburn b WHERE b.grant_id = g.id)
UNION ALL
SELECT 'no movement was spent of grants twice', count(*)
FROM (
    SELECT t.id FROM billing_grantburn b JOIN billing_transfer t ON t.id = b.transfer_id
    GROUP BY t.id, t.amount HAVING sum(b.amount) > t.amount
) twice
UNION ALL
SELECT 'a reversal posts its group the other way around', count(*)
FROM billing_transfergroup v
WHERE v.kind = 'reversal' AND EXISTS (
    SELECT FROM billing_transfer a FULL JOIN billing_transfer b
        ON b.group_id = v.id AND a.debit_id = b.credit_id AND a.credit_id = b.debit_id AND a.amount = b.amount
    WHERE a.group_id = v.reverses_id AND b.id IS NULL
)
UNION ALL
SELECT 'a statement begins where the one before ended', count(*)
FROM billing_statement s LEFT JOIN billing_statement p ON p.id = s.previous_id
WHERE (s.opening, s.after_transfer, s.starts_at)
    IS DISTINCT FROM (coalesce(p.closing, 0), coalesce(p.last_transfer, 0), coalesce(p.ends_at, s.starts_at))
UNION ALL
SELECT 'a statement counts the transfers that its wallet had', count(*)
FROM billing_statement s
JOIN billing_account a ON a.organization_id = s.organization_id AND a.kind = 'wallet'
LEFT JOIN LATERAL (
    SELECT count(*) AS transfers, coalesce(sum(CASE a.id WHEN t.credit_id THEN t.amount ELSE -t.amount END), 0) AS moved
    FROM billing_transfer t
    WHERE a.id IN (t.debit_id, t.credit_id) AND t.id > s.after_transfer AND t.id <= s.last_transfer
) wallet ON true
WHERE (wallet.transfers, wallet.moved) IS DISTINCT FROM (s.transfers::bigint, (s.closing - s.opening)::numeric)
UNION ALL
SELECT 'what payouts have set aside is in clearing', abs(
    (SELECT coalesce(sum(p.amount), 0) FROM billing_payout p WHERE p.state IN ('pending', 'sent'))
    - (SELECT coalesce(sum(m.credits - m.debits), 0) FROM moved m
        JOIN billing_account a ON a.id = m.account_id AND a.kind = 'payout_clearing'))::bigint;
