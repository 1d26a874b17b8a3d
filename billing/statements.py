"""Statements: months of wallets, closed once and for good, as PDF and CSV."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from math import inf
from time import monotonic
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connections
from django.db.models import QuerySet
from reportlab.platypus.doctemplate import LayoutError

from billing.models import Statement, StatementFile, TransferGroup
from billing.months import Month, month_named, month_of
from billing.spreadsheets import csv_lines, decimal_dollars
from billing.statement_pdf import Movement, Printed, Used, print_statement
from tenants.context import PLATFORM, alias, atomic, organization_context, platform_context
from tenants.models import Organization

__all__ = [
    "Line",
    "Sheet",
    "close_and_print",
    "close_due",
    "csv_of",
    "csv_parts",
    "lines",
    "pdf_of",
    "print_due",
    "statement",
    "statements",
]

MOST_AT_A_TIME = 500
_LONGEST_CATCH_UP = 240
_LINES_AT_ONCE = 2_000
_KINDS = dict(TransferGroup.Kind.choices)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One transfer of a wallet: positive what came in. `balance` is what the wallet had after it."""

    id: int
    at: datetime
    kind: str
    reference: str
    amount: int
    balance: int


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A statement's file. `sha256` is that of its bytes."""

    pdf: bytes
    sha256: str


def statements(organization_id: UUID) -> QuerySet[Statement]:
    """An organization's statements, the latest first."""
    return (
        Statement.objects.filter(organization_id=organization_id)
        .select_related("file")
        .defer("file__pdf")
        .order_by("-id")
    )


def statement(organization_id: UUID, period: str) -> Statement | None:
    """An organization's statement of a month, if that is closed."""
    return statements(organization_id).filter(period=period).first()


def close_and_print(*, within_s: float = inf) -> int:
    """Close every month that is over and print its statement; how many were closed.

    Once `within_s` seconds are over nothing more is begun: the next call goes on from there.
    """
    closed, ends_at = 0, monotonic() + within_s
    while monotonic() < ends_at:
        now = close_due()
        closed += now
        if not now and not print_due():
            break
    return closed


def close_due(*, limit: int = MOST_AT_A_TIME) -> int:
    """Close every month that is over, where its organization is, in order, the missed ones too; how many."""
    with platform_context(reason="close months"), connections[PLATFORM].cursor() as cursor:
        cursor.execute("SELECT * FROM billing_statements_due(%s)", (limit,))
        due = cursor.fetchall()
    return sum(
        _caught_up(organization_id, time_zone, _month_due(last_period, first_moved_at, time_zone))
        for organization_id, time_zone, last_period, first_moved_at in due
    )


def print_due(*, limit: int = MOST_AT_A_TIME) -> int:
    """Print what is closed and was not printed yet; how many. What cannot be printed holds up nothing else."""
    with platform_context(reason="print statements"):
        waiting = list(Statement.objects.filter(file=None).order_by("id").values_list("pk", flat=True)[:limit])
    printed = 0
    for id in waiting:
        try:
            _print(id)
        except LayoutError as error:
            _log.error("The statement %s cannot be printed: %s", id, error)
        else:
            printed += 1
    return printed


def pdf_of(found: Statement) -> Sheet:
    """A statement as it was printed; what nobody has printed yet is printed now."""
    _print(found.pk)
    with platform_context(reason="read a statement's file"):
        file = StatementFile.objects.get(statement_id=found.pk, organization_id=found.organization_id)
    return Sheet(pdf=bytes(file.pdf), sha256=file.sha256)


def csv_of(found: Statement) -> Iterator[str]:
    """A statement's transfers as a table, with the balance after each."""
    zone = ZoneInfo(found.time_zone)
    header = (
        "transfer", "at", "kind", "reference", "in_usd", "out_usd", "balance_usd", "in_nanos", "out_nanos",
        "balance_nanos",
    )  # fmt: skip
    return csv_lines(header, (_row(line, zone) for line in lines(found)))


def csv_parts(found: Statement) -> Iterator[bytes]:
    """The same table in pieces, for who reads it elsewhere; it looks as the statement's own organization."""
    with organization_context(found.organization_id):
        rows = csv_of(found)
        while part := "".join(islice(rows, _LINES_AT_ONCE)):
            yield part.encode()


def lines(found: Statement, *, but: str = "") -> Iterator[Line]:
    """A statement's transfers, in the order in which they moved the wallet; without those of one of its parts."""
    balance = found.opening
    for id, at, kind, memo, reference, amount in _transfers(found, but):
        balance += amount
        yield Line(id=id, at=at, kind=_KINDS[kind], reference=reference or memo, amount=amount, balance=balance)


def _row(line: Line, zone: ZoneInfo) -> Sequence[str | int | Decimal]:
    came, went = max(line.amount, 0), max(-line.amount, 0)
    amounts = (came, went, line.balance)
    at = line.at.astimezone(zone).isoformat(timespec="seconds")
    return (line.id, at, line.kind, line.reference, *map(decimal_dollars, amounts), *amounts)


def _caught_up(organization_id: UUID, time_zone: str, month: Month) -> int:
    closed = 0
    while closed < _LONGEST_CATCH_UP and _close(organization_id, time_zone, month) == "closed":
        closed += 1
        month = month.next
    return closed


def _month_due(last_period: str | None, first_moved_at: datetime, time_zone: str) -> Month:
    last = month_named(last_period) if last_period else None
    return last.next if last else month_of(first_moved_at, time_zone)


def _close(organization_id: UUID, time_zone: str, month: Month) -> str:
    arguments = (organization_id, str(month), month.starts_at(time_zone), month.ends_at(time_zone), time_zone)
    with platform_context(reason=f"close {month}"), atomic(), connections[PLATFORM].cursor() as cursor:
        cursor.execute("SELECT billing_close_statement(%s, %s, %s, %s, %s)", arguments)
        (outcome,) = cursor.fetchone()
    return str(outcome)


def _print(id: int) -> None:
    with platform_context(reason="print a statement"):
        found = Statement.objects.select_related("organization").get(pk=id)
        if StatementFile.objects.filter(pk=id).exists():
            return
        pdf = print_statement(_printed(found))
        with atomic(), connections[PLATFORM].cursor() as cursor:
            cursor.execute("SELECT billing_keep_statement(%s, %s)", (id, pdf))


def _printed(found: Statement) -> Printed:
    organization: Organization = found.organization
    zone = ZoneInfo(found.time_zone)
    moved = tuple(
        Movement(on=line.at.astimezone(zone).date(), kind=line.kind, reference=line.reference, amount=line.amount)
        for line in lines(found, but="usage")
    )
    return Printed(
        organization=organization.name,
        slug=organization.slug,
        period=found.period,
        time_zone=found.time_zone,
        starts_on=found.starts_at.astimezone(zone).date(),
        ends_before=found.ends_at.astimezone(zone).date(),
        closed_on=found.closed_at.astimezone(zone).date(),
        number=f"{organization.slug}-{found.period}",
        opening=found.opening,
        parts=(
            ("Top-ups", found.top_ups),
            ("Grants", found.grants),
            ("Usage", -found.usage),
            ("Refunds", found.refunds),
            ("Expired grants", -found.expiries),
            ("Adjustments", found.adjustments),
        ),
        closing=found.closing,
        usage=_usage(found),
        movements=moved,
    )


def _usage(found: Statement) -> tuple[Used, ...]:
    with connections[alias()].cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.reference, count(DISTINCT g.charge_id), -sum(t.amount)
            FROM ({_MOVED}) t
            JOIN billing_transfergroup g ON g.id = t.group_id
            LEFT JOIN billing_charge c ON c.id = g.charge_id
            WHERE t.part = 'usage'
            GROUP BY c.reference ORDER BY 3 DESC, 1
            """,  # noqa: S608 - our own words
            _range_of(found),
        )
        return tuple(
            Used(what=reference or "–", times=times, amount=int(amount))
            for reference, times, amount in cursor.fetchall()
        )


def _transfers(found: Statement, but: str) -> Iterator[tuple[int, datetime, str, str, str, int]]:
    """Row by row out of the database: a month may have millions."""
    with atomic(), connections[alias()].chunked_cursor() as cursor:
        cursor.execute(
            f"""
            SELECT t.id, t.created_at, g.kind, g.memo, c.reference, t.amount
            FROM ({_MOVED}) t
            JOIN billing_transfergroup g ON g.id = t.group_id
            LEFT JOIN billing_charge c ON c.id = g.charge_id
            WHERE t.part <> %s
            ORDER BY t.id
            """,  # noqa: S608 - our own words
            (*_range_of(found), but),
        )
        while rows := cursor.fetchmany(1_000):
            yield from rows


_MOVED = """
    SELECT m.* FROM billing_account a, billing_wallet_transfers(a.id, %s) m
    WHERE a.organization_id = %s AND a.kind = 'wallet' AND m.id <= %s
"""


def _range_of(found: Statement) -> tuple[int, UUID, int]:
    return found.after_transfer, found.organization_id, found.last_transfer
