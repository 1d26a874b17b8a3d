"""What creators are owed: what it was, what came to it and went from it on a day, and what it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connections

from tenants.context import PLATFORM, platform_context

_STATEMENT: Final = """
    WITH moved AS (
        SELECT a.id, t.created_at AS at, g.kind, t.amount
        FROM billing_account a
        JOIN billing_transfer t ON t.credit_id = a.id
        JOIN billing_transfergroup g ON g.id = t.group_id
        WHERE a.kind = 'creator_earnings' AND t.created_at < %(until)s
        UNION ALL
        SELECT a.id, t.created_at, g.kind, -t.amount
        FROM billing_account a
        JOIN billing_transfer t ON t.debit_id = a.id
        JOIN billing_transfergroup g ON g.id = t.group_id
        WHERE a.kind = 'creator_earnings' AND t.created_at < %(until)s
    )
    SELECT coalesce(sum(amount) FILTER (WHERE at < %(since)s), 0),
        coalesce(sum(amount) FILTER (WHERE at >= %(since)s AND kind IN ('settlement', 'late_settlement')), 0),
        coalesce(-sum(amount) FILTER (WHERE at >= %(since)s AND kind IN ('refund', 'chargeback', 'reversal')), 0),
        coalesce(-sum(amount) FILTER (WHERE at >= %(since)s AND kind IN ('payout', 'payout_return')), 0),
        coalesce(sum(amount) FILTER (WHERE at >= %(since)s AND kind IN ('adjustment', 'write_off')), 0),
        coalesce(sum(amount), 0),
        (SELECT coalesce(sum(f.creator_share), 0) FROM billing_usagefact f WHERE f.at >= %(since)s AND f.at < %(until)s)
    FROM moved
"""


@dataclass(frozen=True, kw_only=True)
class RollForward:
    """Nanodollars; `clawed` and `paid` are what went from it, `given` is what settlements say of `earned`. All of it is
    as of one moment, so that calls which end meanwhile make no difference.
    """

    opening: int
    earned: int
    clawed: int
    paid: int
    adjusted: int
    closing: int
    given: int

    @property
    def expected(self) -> int:
        """What the closing balance has to be, if all that moved it is known."""
        return self.opening + self.earned - self.clawed - self.paid + self.adjusted


def roll_forward(since: datetime, until: datetime) -> RollForward:
    """All creators together; staff only."""
    with platform_context(reason="roll creators' earnings forward"), connections[PLATFORM].cursor() as cursor:
        cursor.execute(_STATEMENT, {"since": since, "until": until})
        names = ("opening", "earned", "clawed", "paid", "adjusted", "closing", "given")
        return RollForward(**dict(zip(names, map(int, cursor.fetchone()), strict=True)))
