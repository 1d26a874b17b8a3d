"""The walls around refunds, grants, adjustments, top-ups and gateways' events, and the functions that move their money."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

OWN_ROW = "organization_id = robutler_organization()"
VISIBLE = {
    "billing_refund": OWN_ROW,
    "billing_grant": OWN_ROW,
    "billing_grantburn": OWN_ROW,
    "billing_grantcursor": OWN_ROW,
    # What staff writes to each other, and what gateways say, is no customer's to read.
    "billing_adjustment": f"{OWN_ROW} AND false",
    "billing_gatewayevent": "false",
}
WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {table} FOR SELECT TO robutler_app USING ({visible});
CREATE POLICY owner ON {table} TO robutler_owner USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM robutler_app, robutler_platform;
GRANT SELECT, INSERT ON {table} TO robutler_ledger;
"""

GRANTS = """
GRANT UPDATE ON billing_refund, billing_grant, billing_grantcursor, billing_adjustment, billing_gatewayevent,
    billing_topup TO robutler_ledger;
"""

REFERENCES = """
ALTER TABLE billing_refund ADD CONSTRAINT refund_hold
    FOREIGN KEY (organization_id, hold_id) REFERENCES billing_hold (organization_id, id);
ALTER TABLE billing_refund ADD CONSTRAINT refund_group
    FOREIGN KEY (organization_id, group_id) REFERENCES billing_transfergroup (organization_id, id);
ALTER TABLE billing_grant ADD CONSTRAINT grant_group
    FOREIGN KEY (organization_id, group_id) REFERENCES billing_transfergroup (organization_id, id);
ALTER TABLE billing_grantburn ADD CONSTRAINT grant_burn_grant
    FOREIGN KEY (organization_id, grant_id) REFERENCES billing_grant (organization_id, id);
ALTER TABLE billing_adjustment ADD CONSTRAINT adjustment_group
    FOREIGN KEY (group_id) REFERENCES billing_transfergroup (id);
"""

# Staff correct the platform's accounts as well, which are no organization's.
CROSSING = """
DO $$
DECLARE
    reference record;
BEGIN
    FOR reference IN
        SELECT c.conname FROM pg_constraint c
        WHERE c.contype = 'f' AND c.conrelid = 'billing_adjustment'::regclass
            AND c.confrelid <> 'tenants_organization'::regclass
    LOOP
        EXECUTE format('COMMENT ON CONSTRAINT %I ON billing_adjustment IS %L', reference.conname,
            'crosses organizations: an adjustment may be between accounts of the platform');
    END LOOP;
END
$$;
"""

# Staff and the platform's own tasks move this money; who serves an organization's requests does not.
RIGHTS = """
DO $$
DECLARE
    function record;
BEGIN
    FOR function IN
        SELECT p.oid::regprocedure AS signature, p.prosecdef AS acts_as_owner FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN (
            'billing_earnings_of', 'billing_refundable', 'billing_creators_part', 'billing_refund_settlement',
            'billing_decide_refund', 'billing_make_refund', 'billing_give', 'billing_decide_grant',
            'billing_make_grant', 'billing_attribute', 'billing_expire_grant', 'billing_burn',
            'billing_lines_of_adjustment', 'billing_adjustment_problem', 'billing_reversal_problem',
            'billing_write_off_problem', 'billing_adjust', 'billing_decide_adjustment', 'billing_make_adjustment',
            'billing_charge_back', 'billing_set_wallet', 'billing_set_credit_limit', 'billing_announce_top_up',
            'billing_decide_top_up', 'billing_credit_top_up', 'billing_await_payment', 'billing_keep_event',
            'billing_close_event', 'billing_apply_payment', 'billing_apply_dispute', 'billing_guard_decision',
            'billing_guard_grant', 'billing_use_grants', 'billing_guard_top_up'
        )
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function.signature);
        IF function.acts_as_owner THEN
            EXECUTE format('ALTER FUNCTION %s OWNER TO robutler_ledger', function.signature);
        END IF;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION
    billing_earnings_of, billing_refundable, billing_refund_settlement, billing_decide_refund, billing_give,
    billing_decide_grant, billing_attribute, billing_expire_grant, billing_adjust, billing_decide_adjustment,
    billing_charge_back, billing_set_wallet, billing_set_credit_limit, billing_announce_top_up, billing_decide_top_up,
    billing_await_payment, billing_keep_event, billing_close_event, billing_apply_payment, billing_apply_dispute
    TO robutler_platform;
"""


def read(name):
    return migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("billing", "0028_top_ups_over_time")]

    operations = [
        *(
            migrations.RunSQL(WALL.format(table=table, visible=visible), migrations.RunSQL.noop)
            for table, visible in VISIBLE.items()
        ),
        migrations.RunSQL(GRANTS, migrations.RunSQL.noop),
        migrations.RunSQL(REFERENCES, migrations.RunSQL.noop),
        migrations.RunSQL(CROSSING, migrations.RunSQL.noop),
        read("refunds.sql"),
        read("grants.sql"),
        read("adjustments.sql"),
        read("top_ups.sql"),
        read("decision_rules.sql"),
        read("decision_triggers.sql"),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
