"""A hold without a parent has no ancestors: an unknown one stood there, so that its children did not find their root."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

# What children paid beyond their holds was not counted in the budgets of their roots; it is now.
REPAIR = """
ALTER TABLE billing_hold DISABLE TRIGGER USER;
UPDATE billing_hold SET ancestors = array_remove(ancestors, NULL) WHERE array_position(ancestors, NULL) IS NOT NULL;
ALTER TABLE billing_hold ENABLE TRIGGER USER;
ALTER TABLE billing_budgetwindow DISABLE TRIGGER USER;
UPDATE billing_budgetwindow w
SET spent = w.spent + missed.amount,
    allowed = CASE WHEN w.allowed IS NOT NULL THEN greatest(w.allowed, w.held + w.spent + missed.amount) END
FROM (
    SELECT b.window_id, sum(s.overrun)::bigint AS amount
    FROM billing_holdbudget b
    JOIN billing_hold h ON h.ancestors[1] = b.hold_id
    JOIN billing_settlement s ON s.hold_id = h.id AND s.overrun > 0
    GROUP BY b.window_id
) missed
WHERE w.id = missed.window_id;
ALTER TABLE billing_budgetwindow ENABLE TRIGGER USER;
"""


def read(name):
    return migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("billing", "0041_ended_tokens")]

    operations = [read("rules.sql"), read("holds.sql"), migrations.RunSQL(REPAIR, migrations.RunSQL.noop)]
