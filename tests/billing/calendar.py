"""Short words for tests about months: history that happened earlier, and months that are over."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import connections

from billing.models import Statement
from billing.months import Month
from tenants.models import Organization
from tests.billing import money

JANUARY = Month(year=2026, month=1)


def happened(organization: Organization, at: datetime) -> None:
    """What moved the organization's wallet since its last statement happened then."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE billing_transfer DISABLE TRIGGER append_only")
        cursor.execute(
            """
            UPDATE billing_transfer t SET created_at = %s
            FROM billing_account a
            WHERE a.id IN (t.debit_id, t.credit_id) AND a.organization_id = %s AND a.kind = 'wallet'
                AND t.created_at > now() - interval '1 hour'
            """,
            (at.isoformat(), organization.id),
        )
        cursor.execute("ALTER TABLE billing_transfer ENABLE TRIGGER append_only")
        cursor.execute("ALTER TABLE billing_settlement DISABLE TRIGGER append_only")
        cursor.execute(
            "UPDATE billing_settlement SET created_at = %s"
            " WHERE organization_id = %s AND created_at > now() - interval '1 hour'",
            (at.isoformat(), organization.id),
        )
        cursor.execute("ALTER TABLE billing_settlement ENABLE TRIGGER append_only")


def close(organization: Organization, month: Month, *, ends_at: datetime | None = None, zone: str = "") -> str:
    """Close a month of the organization: where it is, if `zone` says so, else as if it had ended then or just now."""
    ends_at = month.ends_at(zone) if zone else ends_at or datetime.now(UTC)
    starts_at = month.starts_at(zone) if zone else ends_at - timedelta(days=31)
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT billing_close_statement(%s, %s, %s, %s, %s)",
            (organization.id, str(month), starts_at.isoformat(), ends_at.isoformat(), zone or "UTC"),
        )
        (outcome,) = cursor.fetchone()
    return str(outcome)


def post(organization: Organization, kind: str, nanos: int) -> None:
    """Money into the organization's wallet, or out of it, for a reason that another part of billing has."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            """
            WITH wallet AS MATERIALIZED (
                SELECT id FROM billing_account WHERE organization_id = %(organization)s AND kind = 'wallet'
                FOR NO KEY UPDATE
            ), other AS (SELECT billing_platform_account('rounding') AS id)
            SELECT billing_post(%(key)s, %(kind)s, %(organization)s, 'test', 'test', NULL,
                ARRAY[CASE WHEN %(nanos)s > 0 THEN other.id ELSE wallet.id END],
                ARRAY[CASE WHEN %(nanos)s > 0 THEN wallet.id ELSE other.id END], ARRAY[abs(%(nanos)s)::bigint])
            FROM wallet, other
            """,
            {"organization": organization.id, "key": f"test:{uuid4()}", "kind": kind, "nanos": nanos},
        )


def of(organization: Organization) -> list[Statement]:
    """The organization's statements, the earliest first."""
    with money.everything():
        return list(Statement.objects.filter(organization=organization).order_by("id"))


def wallet_lines(organization: Organization) -> dict[int, int]:
    """Every transfer of the organization's wallet, and what it added."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            """
            SELECT t.id, CASE WHEN t.credit_id = a.id THEN t.amount ELSE -t.amount END
            FROM billing_account a JOIN billing_transfer t ON a.id IN (t.debit_id, t.credit_id)
            WHERE a.organization_id = %s AND a.kind = 'wallet'
            """,
            (organization.id,),
        )
        return dict(cursor.fetchall())


def parts(statement: Statement) -> dict[str, Any]:
    """What a statement says, without what is nothing."""
    names = ("opening", "top_ups", "grants", "usage", "refunds", "expiries", "adjustments", "closing")
    return {name: getattr(statement, name) for name in names if getattr(statement, name)}


def counted(statements: Iterable[Statement], ids: Iterable[int]) -> dict[int, int]:
    """In how many of the statements each transfer is."""
    ranges = [(each.after_transfer, each.last_transfer) for each in statements]
    return {id: sum(after < id <= last for after, last in ranges) for id in ids}
