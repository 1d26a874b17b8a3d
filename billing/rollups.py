"""The ledger added up by the hour: kept current by a job, made anew on demand, and read by whoever shows figures."""

from django.db import connections

from tenants.context import PLATFORM, atomic, platform_context

BATCH_ROWS = 50_000
MOST_BATCHES = 100

_DIFFERENCES = """
    WITH mark AS (
        SELECT settlement, transfer FROM billing_watermark WHERE job = 'rollups'
    ), usage AS (
        SELECT date_trunc('hour', f.at, 'UTC') AS hour, f.organization_id, f.beneficiary_id, f.agent_id, f.reference,
            f.model, f.key_id, count(*) AS calls, sum(f.input_tokens) AS input_tokens,
            sum(f.output_tokens) AS output_tokens, sum(f.charged) AS charged, sum(f.cost) AS cost,
            sum(f.own_cost) AS own_cost, sum(f.markup) AS markup, sum(f.fee) AS fee,
            sum(f.creator_share) AS creator_share, sum(f.platform_share) AS platform_share, sum(f.loss) AS loss,
            sum(f.estimated) AS estimated
        FROM billing_usagefact f, mark
        WHERE f.number <= mark.settlement OR f.transfer <= mark.transfer
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ), journal AS (
        SELECT date_trunc('hour', t.created_at, 'UTC') AS hour, g.kind::text, t.debit_id, t.credit_id,
            count(*) AS transfers, sum(t.amount) AS amount
        FROM mark, billing_transfer t JOIN billing_transfergroup g ON g.id = t.group_id
        WHERE t.id <= mark.transfer
        GROUP BY 1, 2, 3, 4
    )
    SELECT (
        SELECT count(*) FROM (SELECT * FROM usage EXCEPT SELECT hour, organization_id, beneficiary_id, agent_id,
            reference, model, key_id, calls, input_tokens, output_tokens, charged, cost, own_cost, markup, fee,
            creator_share, platform_share, loss, estimated FROM billing_usagehour) missing
    ) + abs((SELECT count(*) FROM usage) - (SELECT count(*) FROM billing_usagehour)) + (
        SELECT count(*) FROM (SELECT * FROM journal EXCEPT SELECT hour, kind, debit_id, credit_id, transfers, amount
            FROM billing_journalhour) missing
    ) + abs((SELECT count(*) FROM journal) - (SELECT count(*) FROM billing_journalhour))
"""


def refresh() -> bool:
    """Bring the figures up to date; whether that came to an end, or others are still writing."""
    was_empty = False
    for _ in range(MOST_BATCHES):
        further = _step()
        if further is None or (further == 0 and was_empty):
            return further == 0
        # The first look may have been at what was noted a while ago.
        was_empty = further == 0
    return False


def differences() -> int:
    """How many hours do not say what the ledger says, of what has been read of it: 0, always."""
    with platform_context(reason="compare the rollups"), connections[PLATFORM].cursor() as cursor:
        cursor.execute(_DIFFERENCES)
        (found,) = cursor.fetchone()
    return int(found)


def rebuild() -> None:
    """Add everything up anew, from the first transfer on. Readers see the old figures until the new ones are there."""
    with platform_context(reason="rebuild the rollups"), atomic(durable=True), connections[PLATFORM].cursor() as cursor:
        cursor.execute("SELECT billing_rebuild_rollups()")


def _step() -> int | None:
    """How many rows further the figures reach now; None when it is not known yet how far they may."""
    with platform_context(reason="add up the ledger"), atomic(durable=True), connections[PLATFORM].cursor() as cursor:
        cursor.execute("SELECT billing_roll_up(%s)", (BATCH_ROWS,))
        (further,) = cursor.fetchone()
    return None if further is None else int(further)
