"""Random attempts at what nobody may do, whatever has happened before."""

from itertools import cycle, islice

import psycopg

from tests.billing import steps
from tests.billing.steps import step
from tests.billing.walk_of_corrections import Corrections

AT_ONCE = 12
TAMPERING = (
    "UPDATE billing_transfer SET amount = amount + 1",
    "DELETE FROM billing_transfer",
    "UPDATE billing_transfergroup SET memo = 'x'",
    "DELETE FROM billing_transfergroup",
    "UPDATE billing_settlement SET charged = 0",
    "DELETE FROM billing_settlement",
    "UPDATE billing_account SET credits_posted = credits_posted + 1 WHERE kind = 'wallet'",
    "UPDATE billing_account SET debits_pending = 1 + debits_pending WHERE kind = 'wallet'",
    "UPDATE billing_account SET organization_id = NULL WHERE kind = 'wallet'",
    (
        "UPDATE billing_account a SET organization_id = o.id FROM tenants_organization o"
        " WHERE a.kind = 'creator_clawback' AND NOT EXISTS (SELECT FROM billing_account b"
        " WHERE b.kind = a.kind AND b.organization_id = o.id) AND NOT EXISTS (SELECT FROM billing_transfer t"
        " WHERE a.id IN (t.debit_id, t.credit_id))"
    ),
    "UPDATE billing_account SET enforced = false WHERE kind = 'wallet'",
    "DELETE FROM billing_account",
    "UPDATE billing_hold SET amount = amount - 1 WHERE state = 'open'",
    "UPDATE billing_hold SET amount = amount + 1 WHERE state <> 'open'",
    "UPDATE billing_hold SET state = 'open', closed_at = NULL WHERE state <> 'open'",
    "UPDATE billing_hold SET state = 'expired' WHERE state = 'released'",
    "UPDATE billing_hold SET state = 'settled', closed_at = now() WHERE state = 'open'",
    "UPDATE billing_hold SET state = 'late', closed_at = now() WHERE state = 'open'",
    (
        "UPDATE billing_hold SET child_spent = child_spent + 1"
        " WHERE state = 'open' AND child_reserved + child_spent < amount"
    ),
    "UPDATE billing_hold SET parent_id = id, ancestors = ARRAY[id]",
    "DELETE FROM billing_hold",
    "UPDATE billing_charge SET beneficiary_id = gen_random_uuid() WHERE status = 'authorized'",
    "UPDATE billing_charge SET status = 'finished' WHERE status = 'failed'",
    "DELETE FROM billing_charge",
    "UPDATE billing_usageline SET sku = 'x'",
    "DELETE FROM billing_usageline",
    "UPDATE billing_budgetwindow SET spent = spent + 1",
    "UPDATE billing_budgetwindow SET starts_at = starts_at - interval '1 hour'",
    "DELETE FROM billing_budgetwindow",
    "UPDATE billing_budget SET scope = 'agent'",
    "UPDATE billing_budget SET active = true WHERE NOT active",
    "DELETE FROM billing_budget",
    "DELETE FROM billing_holdbudget",
    "UPDATE billing_grant SET used = used + 1 WHERE state = 'given' AND used < amount",
    "UPDATE billing_grant SET amount = amount + 1",
    "DELETE FROM billing_grantburn",
    (
        "INSERT INTO billing_grantburn (organization_id, grant_id, transfer_id, kind, amount)"
        " SELECT g.organization_id, g.id, max(t.id), 'expired', 1 FROM billing_grant g, billing_transfer t"
        " WHERE g.state = 'given' AND g.used < g.amount AND coalesce(g.expires_at > now(), true)"
        " AND NOT EXISTS (SELECT FROM billing_grantburn b WHERE b.transfer_id = t.id) GROUP BY g.id"
    ),
    "UPDATE billing_refund SET amount = amount + 1",
    "UPDATE billing_refund SET state = 'requested' WHERE state = 'made'",
    "UPDATE billing_adjustment SET amount = amount + 1",
    "UPDATE billing_topup SET amount = amount + 1",
    "UPDATE billing_topup SET state = 'credited' WHERE state = 'canceled' AND group_id IS NOT NULL",
    "UPDATE billing_topup SET state = 'pending' WHERE state IN ('failed', 'canceled') AND group_id IS NULL",
    "UPDATE billing_payout SET amount = amount + 1",
    "UPDATE billing_payout SET state = 'paid' WHERE state IN ('calculated', 'failed', 'cancelled')",
    "TRUNCATE billing_transfer CASCADE",
    (
        "INSERT INTO billing_hold (id, organization_id, account_id, charge_id, amount, state, expires_at, closed_at)"
        " SELECT gen_random_uuid(), organization_id, account_id, charge_id, 1, 'settled', now(), now()"
        " FROM billing_hold"
    ),
    (
        "INSERT INTO billing_account (code, kind, normal, enforced, credits_posted)"
        " SELECT 'made up', 'wallet', 'C', true, 5 FROM billing_transfer"
    ),
    (
        "INSERT INTO billing_transfer (group_id, line, debit_id, credit_id, debit_organization_id, amount)"
        " SELECT group_id, 9, debit_id, credit_id, gen_random_uuid(), 1 FROM billing_transfer"
    ),
)


class Everything(Corrections):
    """All that happens to money, and all that must not."""

    @step(3, place=steps.integers(0, len(TAMPERING) - 1), as_application=steps.integers(0, 3))
    def tamper(self, place: int, as_application: int) -> None:
        """Whoever it is, and whatever the statements would touch; if one touches nothing, nothing has happened."""
        self.hold_to_constraints()
        for statement in islice(cycle(TAMPERING), place, place + AT_ONCE):
            self._attempt(statement, as_application=as_application == 0)

    def _attempt(self, statement: str, *, as_application: bool) -> None:
        self.database.execute("SAVEPOINT tampering")
        if as_application:
            self.database.execute("SET LOCAL ROLE robutler_app")
        refusal = psycopg.errors.InsufficientPrivilege if as_application else psycopg.errors.IntegrityError
        try:
            touched = self.database.execute(statement.encode()).rowcount
        except refusal:
            touched = 0
        self.database.execute("ROLLBACK TO tampering")
        self.database.execute("RELEASE tampering")
        assert touched == 0, statement
