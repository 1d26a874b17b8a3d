"""Who may touch payouts, and the functions that move their money."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

# Nobody but the ledger's functions writes batches and payouts. Where money is sent is the organization's to say.
WALLS = """
ALTER TABLE billing_payout ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_payout FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON billing_payout FOR SELECT TO robutler_app USING (organization_id = robutler_organization());
CREATE POLICY owner ON billing_payout TO robutler_owner USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON billing_payout FROM robutler_app, robutler_platform;

ALTER TABLE billing_payoutbatch ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_payoutbatch FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON billing_payoutbatch TO robutler_owner USING (true) WITH CHECK (true);
REVOKE ALL ON billing_payoutbatch FROM robutler_app;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON billing_payoutbatch FROM robutler_platform;

ALTER TABLE billing_payoutaccount ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_payoutaccount FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON billing_payoutaccount TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON billing_payoutaccount TO robutler_owner USING (true) WITH CHECK (true);
REVOKE UPDATE, DELETE, TRUNCATE ON billing_payoutaccount FROM robutler_app, robutler_platform;
GRANT UPDATE (sealed, data_key_id, replaced_at) ON billing_payoutaccount TO robutler_app, robutler_platform;

GRANT SELECT, INSERT, UPDATE ON billing_payoutbatch, billing_payout TO robutler_ledger;
GRANT SELECT ON billing_payoutaccount TO robutler_ledger;
"""

# A payout is of its batch's month and rail, and of one organization with everything it names.
REFERENCES = """
ALTER TABLE billing_payoutaccount ADD CONSTRAINT payout_account_data_key
    FOREIGN KEY (organization_id, data_key_id) REFERENCES tenants_datakey (organization_id, id)
    DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE billing_payout ADD CONSTRAINT payout_batch
    FOREIGN KEY (batch_id, period, rail) REFERENCES billing_payoutbatch (id, period, rail);
ALTER TABLE billing_payout ADD CONSTRAINT payout_account
    FOREIGN KEY (organization_id, account_id) REFERENCES billing_payoutaccount (organization_id, id);
ALTER TABLE billing_payout ADD CONSTRAINT payout_group
    FOREIGN KEY (organization_id, group_id) REFERENCES billing_transfergroup (organization_id, id);
ALTER TABLE billing_payout ADD CONSTRAINT payout_return_group
    FOREIGN KEY (organization_id, return_group_id) REFERENCES billing_transfergroup (organization_id, id);
"""

TRIGGERS = """
CREATE TRIGGER guard BEFORE UPDATE ON billing_payout FOR EACH ROW EXECUTE FUNCTION billing_guard_payout();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_payout
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_payoutbatch
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON billing_payoutaccount
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
"""

ACTING = (
    *("calculate_payouts", "approve_payouts", "lock_creators", "set_aside", "cancel_payouts", "send_payouts"),
    *("claim_payouts", "record_payout", "post_paid", "post_returned", "retry_payout", "conclude_payouts"),
)
RIGHTS = f"""
REVOKE ALL ON FUNCTION billing_payout_position, billing_guard_payout, {", ".join(f"billing_{name}" for name in ACTING)}
    FROM PUBLIC;
{"".join(f"ALTER FUNCTION billing_{name} OWNER TO robutler_ledger;" for name in ACTING)}
GRANT EXECUTE ON FUNCTION billing_payout_position TO robutler_app, robutler_platform, robutler_ledger;
GRANT EXECUTE ON FUNCTION billing_calculate_payouts, billing_approve_payouts, billing_cancel_payouts,
    billing_send_payouts, billing_claim_payouts, billing_record_payout, billing_retry_payout TO robutler_platform;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0016_payouts")]

    operations = [
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
        migrations.RunSQL(REFERENCES, migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "payouts.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL(TRIGGERS, migrations.RunSQL.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
