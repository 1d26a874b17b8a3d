"""Tables for people who open them in a spreadsheet: RFC 4180, and nothing in them that a spreadsheet would run."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[str | int | Decimal]]) -> Iterator[str]:
    """A table, line by line, as it is sent. Numbers are ours and stay as they are; text is made harmless."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(header)
    yield _taken(buffer)
    for row in rows:
        writer.writerow([_written(value) for value in row])
        yield _taken(buffer)


def harmless(text: str) -> str:
    """Text that a spreadsheet shows instead of taking it for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_BEGINNINGS) else text


def decimal_dollars(nanos: int) -> Decimal:
    """Nanodollars in dollars, with all nine places."""
    return Decimal(nanos).scaleb(-9)


def _written(value: str | int | Decimal) -> str | int:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return harmless(value) if isinstance(value, str) else value


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
