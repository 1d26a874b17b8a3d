"""Handing out the books as files: the journal, what runs came to, and sums by day and account, a row at a time.

A server-side cursor keeps a million rows out of memory. Amounts are whole nanodollars and, beside them, decimal dollars
with nine places. Staff only.
"""

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import Any, Final, Literal

from django.db import connections

from billing.spreadsheets import harmless
from tenants.context import PLATFORM, atomic, platform_context

Name = Literal["journal", "usage", "ledger"]
Format = Literal["csv", "jsonl"]

NAMES: Final[tuple[Name, ...]] = ("journal", "usage", "ledger")
FORMATS: Final[tuple[Format, ...]] = ("csv", "jsonl")
CHUNK_ROWS: Final = 2_000

_STATEMENTS: Final[dict[Name, str]] = {
    "journal": """
        SELECT t.id, t.created_at AS at, g.key, g.kind, t.line, d.code AS debit, c.code AS credit,
            t.amount AS amount_nanos, g.charge_id, g.hold_id, r.key AS reverses, g.actor, g.memo
        FROM billing_transfer t
        JOIN billing_transfergroup g ON g.id = t.group_id
        JOIN billing_account d ON d.id = t.debit_id
        JOIN billing_account c ON c.id = t.credit_id
        LEFT JOIN billing_transfergroup r ON r.id = g.reverses_id
        WHERE t.created_at >= %s AND t.created_at < %s
        ORDER BY t.id
    """,
    "usage": """
        SELECT f.charge_id, f.at, o.slug AS organization, b.slug AS agents_organization, f.reference, f.model, f.key_id,
            f.source, f.input_tokens, f.output_tokens, f.charged AS charged_nanos, f.cost AS cost_nanos,
            f.own_cost AS own_cost_nanos, f.markup AS markup_nanos, f.fee AS fee_nanos,
            f.creator_share AS creator_share_nanos, f.platform_share AS platform_share_nanos, f.loss AS loss_nanos
        FROM billing_usagefact f
        JOIN tenants_organization o ON o.id = f.organization_id
        LEFT JOIN tenants_organization b ON b.id = f.beneficiary_id
        WHERE f.at >= %s AND f.at < %s
        ORDER BY f.at, f.charge_id
    """,
    "ledger": """
        SELECT day, a.code AS account, a.kind, sum(side.debit)::bigint AS debit_nanos,
            sum(side.credit)::bigint AS credit_nanos
        FROM (
            SELECT (hour AT TIME ZONE 'UTC')::date AS day, debit_id AS account_id, amount AS debit, 0 AS credit
            FROM billing_journalhour WHERE hour >= %s AND hour < %s
            UNION ALL
            SELECT (hour AT TIME ZONE 'UTC')::date, credit_id, 0, amount
            FROM billing_journalhour WHERE hour >= %s AND hour < %s
        ) side
        JOIN billing_account a ON a.id = side.account_id
        GROUP BY day, a.code, a.kind
        ORDER BY day, a.code
    """,
}


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file to be: what it is about, from when to before when, and how it is written."""

    name: Name
    format: Format
    since: datetime
    until: datetime

    @property
    def filename(self) -> str:
        """What to save it as."""
        return f"{self.name}-{self.since:%Y-%m-%d}-{self.until:%Y-%m-%d}.{self.format}"

    @property
    def content_type(self) -> str:
        """What it is."""
        return "text/csv; charset=utf-8" if self.format == "csv" else "application/x-ndjson"


def written(export: Export) -> Iterator[bytes]:
    """The file, some thousand rows at a time; whoever does not read it to its end closes it."""
    write = csv_of if export.format == "csv" else _jsonl_of
    places = 4 if export.name == "ledger" else 2
    values = (export.since, export.until) * (places // 2)
    with platform_context(reason=f"export {export.name}"), atomic(), connections[PLATFORM].chunked_cursor() as cursor:
        cursor.execute(_STATEMENTS[export.name], values)
        rows = cursor.fetchmany(CHUNK_ROWS)
        columns = [column.name for column in cursor.description]
        yield write(columns, rows, with_header=True)
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield write(columns, rows, with_header=False)


async def streamed(make: Callable[[], Iterator[bytes]]) -> AsyncIterator[bytes]:
    """What an iterator makes, for who must not wait. It runs in one thread of its own, as its connection demands."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="export") as thread:
        parts = await loop.run_in_executor(thread, make)
        try:
            while (part := await loop.run_in_executor(thread, next, parts, None)) is not None:
                yield part
        finally:
            thread.submit(_close, parts)


def csv_of(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, with_header: bool) -> bytes:
    """Rows as RFC 4180 has them; no cell of text is a formula, and every amount has its dollars beside it."""
    text = StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    if with_header:
        table.writerow([name for column in columns for name in _names(column)])
    for row in rows:
        table.writerow([cell for column, value in zip(columns, row, strict=True) for cell in _cells(column, value)])
    return text.getvalue().encode()


def _jsonl_of(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, with_header: bool) -> bytes:
    lines = []
    for row in rows:
        pairs = zip(columns, row, strict=True)
        line = {
            name: value
            for column, cell in pairs
            for name, value in zip(_names(column), _plain(column, cell), strict=True)
        }
        lines.append(json.dumps(line, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines).encode()


def _names(column: str) -> tuple[str, ...]:
    return (column, f"{column.removesuffix('_nanos')}_usd") if column.endswith("_nanos") else (column,)


def _plain(column: str, value: Any) -> tuple[Any, ...]:
    """A value as JSON has it: amounts are strings, because numbers there are exact only up to 2^53."""
    if column.endswith("_nanos"):
        return str(value), f"{Decimal(value).scaleb(-9):.9f}"
    if value is None or isinstance(value, int | str):
        return (value,)
    return (value.isoformat() if hasattr(value, "isoformat") else str(value),)


def _cells(column: str, value: Any) -> tuple[Any, ...]:
    return (harmless(value),) if isinstance(value, str) else _plain(column, value)


def _close(parts: Iterator[bytes]) -> None:
    """End the iterator's transaction and give its thread's connections back."""
    parts.close()  # type: ignore[attr-defined]  # it is a generator
    connections.close_all()
