"""What was spent: of an organization's wallet in all, and by one API key of late."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connections

from billing.models import Account
from tenants.context import alias, current_organization

# Figures reach as far as their watermark says; what was settled since is added to them, so that nothing is missing.
_SPENT = """
    WITH spent AS (
        SELECT u.hour AS at, u.charged
        FROM billing_usagehour u
        WHERE u.organization_id = %(organization)s AND u.key_id = %(key)s
        UNION ALL
        SELECT s.created_at, s.charged
        FROM billing_settlement s JOIN billing_charge c ON c.id = s.hold_id
        WHERE s.number > (SELECT m.settlement FROM billing_watermark m WHERE m.job = 'rollups')
            AND s.organization_id = %(organization)s AND c.key_id = %(key)s
    )
    SELECT coalesce(sum(charged) FILTER (WHERE at >= %(day)s), 0),
        coalesce(sum(charged) FILTER (WHERE at >= %(week)s), 0),
        coalesce(sum(charged) FILTER (WHERE at >= %(month)s), 0),
        coalesce(sum(charged), 0)
    FROM spent
"""


@dataclass(frozen=True, kw_only=True)
class Spend:
    """What was charged since midnight, since Monday, since the first of the month (UTC), and ever. Nanodollars."""

    today_nanos: int = 0
    week_nanos: int = 0
    month_nanos: int = 0
    total_nanos: int = 0


@dataclass(frozen=True, kw_only=True)
class Credits:
    """All that ever came into a wallet, and all that ever left it; the difference is there still. Nanodollars."""

    total_nanos: int
    used_nanos: int


def spend_of_key(key_id: UUID, *, now: datetime) -> Spend:
    """What a key of the current organization has cost it. A charge counts at the time when it was settled."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    asked: dict[str, UUID | datetime] = {
        "organization": current_organization(), "key": key_id,
        "day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1),
    }  # fmt: skip
    with connections[alias()].cursor() as cursor:
        cursor.execute(_SPENT, asked)
        today, week, month, total = map(int, cursor.fetchone())
    return Spend(today_nanos=today, week_nanos=week, month_nanos=month, total_nanos=total)


def credits() -> Credits:
    """Those of the current organization's wallet; nothing without one."""
    wallet = Account.objects.filter(organization_id=current_organization(), kind=Account.Kind.WALLET).first()
    if wallet is None:
        return Credits(total_nanos=0, used_nanos=0)
    return Credits(total_nanos=wallet.credits_posted, used_nanos=wallet.debits_posted)
