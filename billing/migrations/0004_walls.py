"""Who may see and touch the tables of money: organizations their own rows, nobody writes but the ledger's functions."""

from django.db import migrations

OWN_ROW = "organization_id = robutler_organization()"
VISIBLE = {
    "billing_account": OWN_ROW,
    "billing_charge": OWN_ROW,
    "billing_hold": OWN_ROW,
    "billing_settlement": OWN_ROW,
    "billing_topup": OWN_ROW,
    # A transfer between two organizations is visible to both, and with it the group it is part of.
    "billing_transfer": "robutler_organization() IN (debit_organization_id, credit_organization_id)",
    "billing_transfergroup": f"{OWN_ROW} OR EXISTS (SELECT FROM billing_transfer t WHERE t.group_id = billing_transfergroup.id)",
    # The platform's published prices are everybody's to read.
    "billing_pricelist": "true",
    "billing_priceversion": "state = 'published'",
    "billing_priceitem": "EXISTS (SELECT FROM billing_priceversion v WHERE v.id = billing_priceitem.version_id)",
}
WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {table} FOR SELECT TO robutler_app USING ({visible});
CREATE POLICY owner ON {table} TO robutler_owner USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM robutler_app, robutler_platform;
"""

GRANTS = """
GRANT SELECT, INSERT ON billing_account, billing_charge, billing_hold, billing_settlement, billing_transfergroup,
    billing_transfer, billing_topup TO robutler_ledger;
GRANT UPDATE ON billing_account, billing_charge, billing_hold TO robutler_ledger;
GRANT UPDATE (status, credit_limit) ON billing_account TO robutler_platform;
GRANT INSERT, UPDATE, DELETE ON billing_pricelist, billing_priceversion, billing_priceitem TO robutler_platform;
"""

# References stay within the organization: nobody's hold can name somebody else's charge or wallet.
REFERENCES = """
ALTER TABLE billing_charge ADD CONSTRAINT charge_parent
    FOREIGN KEY (organization_id, parent_id) REFERENCES billing_charge (organization_id, id);
ALTER TABLE billing_hold ADD CONSTRAINT hold_account
    FOREIGN KEY (organization_id, account_id) REFERENCES billing_account (organization_id, id);
ALTER TABLE billing_hold ADD CONSTRAINT hold_charge
    FOREIGN KEY (organization_id, charge_id) REFERENCES billing_charge (organization_id, id);
ALTER TABLE billing_settlement ADD CONSTRAINT settlement_hold
    FOREIGN KEY (organization_id, hold_id) REFERENCES billing_hold (organization_id, id);
ALTER TABLE billing_transfergroup ADD CONSTRAINT transfer_group_charge
    FOREIGN KEY (organization_id, charge_id) REFERENCES billing_charge (organization_id, id);
ALTER TABLE billing_transfergroup ADD CONSTRAINT transfer_group_hold
    FOREIGN KEY (organization_id, hold_id) REFERENCES billing_hold (organization_id, id);
ALTER TABLE billing_transfergroup ADD CONSTRAINT transfer_group_reverses
    FOREIGN KEY (organization_id, reverses_id) REFERENCES billing_transfergroup (organization_id, id);
ALTER TABLE billing_topup ADD CONSTRAINT top_up_group
    FOREIGN KEY (organization_id, group_id) REFERENCES billing_transfergroup (organization_id, id);
"""

# btree_gist is not everywhere, so a list is compared as a range of one.
NO_OVERLAP = """
ALTER TABLE billing_priceversion ADD CONSTRAINT price_version_no_overlap EXCLUDE USING gist (
    int8range(price_list_id, price_list_id, '[]') WITH &&, tstzrange(valid_from, valid_to) WITH &&
) WHERE (state = 'published');
"""

# Wallets and holds are updated all day: room on the page keeps those updates away from the indexes.
ROOM = """
ALTER TABLE billing_account SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE billing_hold SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_transfers")]

    operations = [
        *(
            migrations.RunSQL(WALL.format(table=table, visible=visible), migrations.RunSQL.noop)
            for table, visible in VISIBLE.items()
        ),
        migrations.RunSQL(GRANTS, migrations.RunSQL.noop),
        migrations.RunSQL(REFERENCES, migrations.RunSQL.noop),
        migrations.RunSQL(NO_OVERLAP, migrations.RunSQL.noop),
        migrations.RunSQL(ROOM, migrations.RunSQL.noop),
    ]
